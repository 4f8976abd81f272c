"""The fan-out: one order for all, under real threads; and what a batch is made of."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import ListSink
from tests.waiting import DEADLINE, until
from threadchat.chat import fanout as fanout_module
from threadchat.chat.fanout import ByteFanout, Fanout, Message, send_batch

TALKERS = 8
LINES_EACH = 200


class Yielding(ListSink):
    """A receiver that lets other threads run whenever it is sent something, as a socket does."""

    def send(self, data: bytes) -> None:
        """Keep *data*."""
        time.sleep(0)
        super().send(data)


class Recruiter(Yielding):
    """A receiver that brings another one along each time it is sent something: a join amid a delivery."""

    def __init__(self, fanout: ByteFanout[ListSink]) -> None:
        super().__init__()
        self._fanout = fanout
        self.recruits: list[ListSink] = []

    def send(self, data: bytes) -> None:
        """Keep *data*, and add a recruit."""
        super().send(data)
        self.recruits.append(ListSink())
        self._fanout.add(self.recruits[-1])


class Gate(ListSink):
    """A receiver whose first delivery stands still until the gate is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.reached, self.opened = threading.Event(), threading.Event()

    def send(self, data: bytes) -> None:
        """Keep *data*, once the gate is open."""
        self.reached.set()
        assert self.opened.wait(DEADLINE)
        super().send(data)


def in_threads(*jobs: Callable[[], None]) -> None:
    """Run all *jobs*, each in a thread of its own, begun together."""
    barrier = threading.Barrier(len(jobs))

    def run(job: Callable[[], None]) -> None:
        barrier.wait()
        job()

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.fixture
def eager_switching() -> Iterator[None]:
    """Let threads be switched as often as can be, so that a race has its chance."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("eager_switching")
def test_all_receivers_hold_one_order() -> None:
    """
    Eight threads talk at once: every listener holds the same sequence, nothing lost or doubled, each
    talker's lines in its own order; and each talker holds that sequence without its own lines.
    """
    fanout: ByteFanout[ListSink] = Fanout(send_batch)
    talkers = [Yielding() for _ in range(TALKERS)]
    listeners = [Yielding() for _ in range(3)]
    for member in [*talkers, *listeners]:
        fanout.add(member)

    def talk(number: int) -> None:
        for line in range(LINES_EACH):
            fanout.post(Message(talkers[number], b"%d:%d\n" % (number, line)))

    in_threads(*[lambda number=number: talk(number) for number in range(TALKERS)])

    order = listeners[0].lines
    assert [listener.lines for listener in listeners] == [order] * len(listeners)
    for number, talker in enumerate(talkers):
        own = [f"{number}:{line}" for line in range(LINES_EACH)]
        assert [line for line in order if line.startswith(f"{number}:")] == own
        assert talker.lines == [line for line in order if not line.startswith(f"{number}:")]
    assert len(order) == TALKERS * LINES_EACH
    assert len(listeners[0].pieces) < len(order)  # they did meet


@pytest.mark.usefixtures("eager_switching")
def test_who_joins_amid_traffic_gets_a_suffix() -> None:
    """Everything posted after they came, nothing said before, and no hole in between."""
    fanout: ByteFanout[ListSink] = Fanout(send_batch)
    listener, recruiter = ListSink(), Recruiter(fanout)
    fanout.add(recruiter)
    fanout.add(listener)

    def talk(number: int) -> None:
        for line in range(50):
            fanout.post(Message(None, b"%d:%d\n" % (number, line)))

    in_threads(*[lambda number=number: talk(number) for number in range(4)])
    fanout.post(Message(None, b"last\n"))

    order = listener.lines
    *recruits, too_late = recruiter.recruits
    assert recruits
    assert too_late.lines == []
    for recruit in recruits:
        assert recruit.lines
        assert recruit.lines == order[-len(recruit.lines) :]
    lengths = [len(recruit.lines) for recruit in recruits]
    assert lengths == sorted(lengths, reverse=True)


@pytest.mark.usefixtures("eager_switching")
def test_who_leaves_amid_traffic_has_a_prefix() -> None:
    """Until a member goes it lacks nothing."""
    fanout: ByteFanout[ListSink] = Fanout(send_batch)
    listener, leaver = Yielding(), Yielding()
    fanout.add(listener)
    fanout.add(leaver)

    def talk() -> None:
        for line in range(LINES_EACH):
            fanout.post(Message(None, b"%d\n" % line))

    def leave() -> None:
        until(lambda: leaver.pieces, "something to be said")
        fanout.discard(leaver)

    in_threads(talk, talk, leave)
    assert leaver.lines == listener.lines[: len(leaver.lines)]
    assert len(listener.lines) == 2 * LINES_EACH


def test_a_talker_does_not_wait_for_the_deliverer() -> None:
    """While one thread delivers, others leave their lines and go; it sends them all as one batch."""
    fanout: ByteFanout[ListSink] = Fanout(send_batch)
    gate, listener = Gate(), ListSink()
    fanout.add(gate)
    fanout.add(listener)
    deliverer = threading.Thread(target=fanout.post, args=(Message(None, b"first\n"),))
    deliverer.start()
    assert gate.reached.wait(DEADLINE)
    for line in (b"a\n", b"b\n", b"c\n"):
        fanout.post(Message(None, line))  # returns, although the deliverer stands still
    assert listener.pieces == []
    gate.opened.set()
    deliverer.join()
    assert listener.pieces == [b"first\n", b"a\nb\nc\n"]
    assert gate.pieces == listener.pieces


def test_alone_a_line_goes_out_at_once() -> None:
    """A post has been delivered when it returns, if nobody else is delivering."""
    fanout: ByteFanout[ListSink] = Fanout(send_batch)
    listener = ListSink()
    fanout.add(listener)
    for line in (b"a\n", b"b\n"):
        fanout.post(Message(None, line))
    assert listener.pieces == [b"a\n", b"b\n"]


def test_talkers_faster_than_delivery_are_slowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is pending stays near the high-water mark, however slow delivery is."""
    monkeypatch.setattr(fanout_module, "HIGH_WATER_BYTES", 1000)

    class Slow(ListSink):
        def send(self, data: bytes) -> None:
            time.sleep(0.002)  # not to wait for anything: this is what slow means
            super().send(data)

    fanout: ByteFanout[ListSink] = Fanout(send_batch)
    slow = Slow()
    fanout.add(slow)
    line = b"x" * 99 + b"\n"

    def talk() -> None:
        for _ in range(100):
            fanout.post(Message(None, line))

    in_threads(*[talk] * 4)
    assert len(slow.data) == 4 * 100 * len(line)
    assert max(len(piece) for piece in slow.pieces) <= 1000 + 4 * len(line)


def test_a_member_is_listed_in_the_order_of_coming() -> None:
    """``members`` lists all, ``glance`` the first few with the number of all."""
    fanout: ByteFanout[ListSink] = Fanout(send_batch)
    first, second, third = (ListSink() for _ in range(3))
    for member in (first, second, third):
        fanout.add(member)
    assert fanout.members() == (first, second, third)
    assert fanout.glance(2) == ([first, second], 3)
    fanout.discard(second)
    fanout.discard(second)
    assert fanout.members() == (first, third)
    assert len(fanout) == 2


@given(st.lists(st.tuples(st.integers(-1, 3), st.sampled_from([b"a\n", b"b\nc\n", b"", b"d\r\n"]))))
def test_a_batch_is_everything_but_ones_own(said: list[tuple[int, bytes]]) -> None:
    """One piece a member: the messages of others in order."""
    members = [ListSink() for _ in range(4)]
    send_batch([Message(members[n] if n >= 0 else None, data) for n, data in said], tuple(members))
    for number, member in enumerate(members):
        expected = b"".join(data for n, data in said if n != number)
        assert member.data == expected
        assert len(member.pieces) == (1 if expected else 0)


def test_receivers_of_the_whole_batch_share_its_bytes() -> None:
    members = [ListSink() for _ in range(3)]
    send_batch([Message(None, b"a\n"), Message(None, b"b\n")], tuple(members))
    assert len({id(piece) for member in members for piece in member.pieces}) == 1


def test_a_paused_member_is_passed_by_until_it_is_resumed() -> None:
    """It is still a member, and listed."""
    fanout: ByteFanout[ListSink] = Fanout(send_batch)
    reader, other = ListSink(), ListSink()
    fanout.add(reader)
    fanout.add(other)
    fanout.pause(reader)
    fanout.post(Message(None, b"1\n"))
    assert (reader.data, other.data, fanout.members()) == (b"", b"1\n", (reader, other))
    assert not fanout.resume(reader, lambda last: last is None)
    fanout.post(Message(None, b"2\n"))
    assert fanout.resume(reader, lambda last: last == Message(None, b"2\n"))
    fanout.post(Message(None, b"3\n"))
    assert reader.data == b"3\n"
    fanout.discard(reader)
    assert fanout.glance(9) == ([other], 1)


def test_who_comes_paused_waits_to_be_resumed() -> None:
    fanout: ByteFanout[ListSink] = Fanout(send_batch)
    reader = ListSink()
    fanout.add(reader, paused=True)
    fanout.post(Message(None, b"1\n"))
    fanout.discard(reader)
    assert not fanout.pause(reader)  # it has gone: nothing is left of it
    fanout.add(reader)
    fanout.post(Message(None, b"2\n"))
    assert reader.data == b"2\n"


@pytest.mark.usefixtures("eager_switching")
def test_who_is_resumed_amid_traffic_misses_nothing_and_gets_nothing_twice() -> None:
    """It goes on exactly where it has got everything from elsewhere."""
    kept: list[bytes] = []

    def deliver(batch: list[Message[ListSink]], members: tuple[ListSink, ...]) -> None:
        kept.extend(message.data for message in batch)  # and only then:
        send_batch(batch, members)

    fanout: ByteFanout[ListSink] = Fanout(deliver)
    listener, reader = Yielding(), ListSink()
    fanout.add(listener)
    fanout.add(reader, paused=True)

    def talk(number: int) -> None:
        for line in range(LINES_EACH):
            fanout.post(Message(None, b"%d:%d\n" % (number, line)))

    def catch_up() -> None:
        while True:
            for data in kept[len(reader.pieces) :]:
                reader.send(data)
            if fanout.resume(reader, has_everything):
                return

    def has_everything(last: Message[ListSink] | None) -> bool:
        return last is None or reader.pieces[-1:] == [last.data]

    in_threads(catch_up, *[lambda number=number: talk(number) for number in range(4)])
    assert reader.lines == listener.lines
    assert len(listener.lines) == 4 * LINES_EACH


def test_a_message_may_be_for_somebody_who_has_gone() -> None:
    """An author who is not a member (any more) makes no difference to the others."""
    fanout: ByteFanout[ListSink] = Fanout(send_batch)
    listener, gone = ListSink(), ListSink()
    fanout.add(listener)
    fanout.post(Message(gone, b"farewell\n"))
    assert (listener.data, gone.data) == (b"farewell\n", b"")
