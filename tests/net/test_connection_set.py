"""The set of open connections: places, waiting for one, and the end of all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from tests.net.sockets import Ends, connected, running_flusher
from tests.waiting import DEADLINE, until
from threadchat.base.errors import CloseReason
from threadchat.net.connection_set import ConnectionSet
from threadchat.net.flusher import Flusher
from threadchat.net.handover import Handover


@pytest.fixture
def flusher() -> Iterator[Flusher]:
    """A flusher that runs."""
    with running_flusher() as flusher:
        yield flusher


def waits_for_a_place(connections: ConnectionSet) -> tuple[threading.Thread, list[bool]]:
    """Begin to wait for a place; return the waiting thread, and where its answer will be."""
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(connections.reserve(wait=True)))
    thread.start()
    return thread, answers


def served(
    connections: ConnectionSet,
    ends: Ends,
    act: Callable[[], object] = lambda: None,
    begin: Callable[[], object] = lambda: None,
) -> threading.Thread:
    """Serve a connection as its own thread does: *begin*, read and *act* to the end, finish, give the place back."""

    def run() -> None:
        begin()
        while ends.connection.reason is None and ends.connection.read(None):
            act()
        ends.connection.finish()
        connections.discard(ends.connection)

    connections.reserve(wait=False)
    connections.add(ends.connection)
    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_there_are_as_many_places_as_the_limit() -> None:
    """Taken before they are filled; given back one by one."""
    connections = ConnectionSet(2)
    assert [connections.reserve(wait=False) for _ in range(3)] == [True, True, False]
    connections.release()
    assert [connections.reserve(wait=False) for _ in range(2)] == [True, False]


def test_who_waits_gets_the_next_place() -> None:
    """And only one of them."""
    connections = ConnectionSet(1)
    assert connections.reserve(wait=False)
    waiting, answers = waits_for_a_place(connections)
    connections.release()
    waiting.join()
    assert answers == [True]
    assert not connections.reserve(wait=False)


def test_who_waits_is_told_of_the_end() -> None:
    """And whoever comes then does not wait."""
    connections = ConnectionSet(1)
    connections.reserve(wait=False)
    waiting, answers = waits_for_a_place(connections)
    connections.close()
    waiting.join()
    assert answers == [False]
    assert not connections.reserve(wait=True)


def test_connections_are_numbered_and_listed(flusher: Flusher) -> None:
    """While they are in the set; a place is given back by discarding."""
    connections = ConnectionSet(2)
    with connected(flusher) as first, connected(flusher) as second:
        for ends in (first, second):
            assert connections.reserve(wait=False)
            connections.add(ends.connection)
        assert (first.connection.number, second.connection.number) == (1, 2)
        assert set(connections.snapshot()) == {first.connection, second.connection}
        connections.discard(first.connection)
        assert connections.snapshot() == [second.connection]
        assert len(connections) == 1
        assert connections.reserve(wait=False)


def test_limits_hold_under_threads() -> None:
    """Many threads take and give back places: never more than there are."""
    connections = ConnectionSet(3)
    inside, most, lock = [0], [0], threading.Lock()

    def come_and_go() -> None:
        for _ in range(200):
            assert connections.reserve(wait=True)
            with lock:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
            with lock:
                inside[0] -= 1
            connections.release()

    threads = [threading.Thread(target=come_and_go) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 <= most[0] <= 3
    assert [connections.reserve(wait=False) for _ in range(4)] == [True, True, True, False]


class TestDraining:
    """The end of all connections."""

    def test_polite_connections_end_by_themselves(self, flusher: Flusher) -> None:
        """What is queued for them arrives, and none has to be cut."""
        connections = ConnectionSet(10)
        with connected(flusher) as ends:
            own = served(connections, ends)
            data = b"x" * 100_000
            ends.connection.send(data)
            received: list[bytes] = []
            reader = threading.Thread(target=lambda: received.append(ends.peer_reads_all()))
            reader.start()
            assert connections.drain(time.monotonic() + DEADLINE) == 0
            for thread in (reader, own):
                thread.join()
            assert received == [data]
            assert ends.connection.reason is CloseReason.SHUTDOWN

    def test_those_left_at_the_deadline_are_cut(self, flusher: Flusher) -> None:
        """And counted: a peer that does not read cannot hold up the end."""
        connections = ConnectionSet(10)
        with connected(flusher) as stuck:
            stuck.fill()
            own = served(connections, stuck)
            assert connections.drain(time.monotonic()) == 1
            own.join()
            assert stuck.connection.reason is CloseReason.SHUTDOWN
            assert len(connections) == 0

    def test_an_empty_set_is_drained_at_once(self) -> None:
        """There is nothing to wait for."""
        assert ConnectionSet(1).drain(time.monotonic() + DEADLINE) == 0


class TestHandingOver:
    """The end of a process, and not of its connections."""

    def test_those_that_are_kept_are_parked(self, flusher: Flusher, handover: Handover) -> None:
        """Whatever is said to them is for the successor. The others are ended."""
        connections = ConnectionSet(10)
        with connected(flusher, tcp=True) as stays, connected(flusher, tcp=True) as goes:
            threads = [served(connections, ends) for ends in (stays, goes)]
            stays.connection.keep(handover, dict)
            goes.connection.keep(handover, lambda: None)
            assert connections.hand_over(time.monotonic() + DEADLINE) == ([stays.connection], [])
            assert goes.peer_reads_all() == b""
            assert goes.connection.reason is CloseReason.SHUTDOWN
            stays.peer.sendall(b"hello?")
            assert stays.connection.reason is None
            assert stays.connection.leave_behind()
            end_of_test(stays, *threads)

    def test_one_that_acts_at_the_deadline_is_left_as_it_is_known(self, flusher: Flusher, handover: Handover) -> None:
        """It is not closed: the successor goes on with what was last noted of it."""
        connections = ConnectionSet(10)
        with connected(flusher, tcp=True) as acts, connected(flusher, tcp=True) as rests:
            done = threading.Event()
            threads = [served(connections, acts, done.wait), served(connections, rests)]
            for ends in (acts, rests):
                ends.connection.keep(handover, dict)
            acts.peer.sendall(b"do something")
            until(lambda: acts.connection.bytes_in, "it to be acted on")
            parked, acting = connections.hand_over(time.monotonic() + 0.05)
            assert (parked, acting) == ([rests.connection], [acts.connection])
            assert acts.connection.reason is None
            done.set()
            end_of_test(rests, threads[1])
            acts.peer.close()
            threads[0].join()

    def test_one_that_is_ending_is_seen_to_its_end(self, flusher: Flusher, handover: Handover) -> None:
        """Which is near, or is made: nobody waits long for it, and no successor goes on with it."""
        connections = ConnectionSet(10)
        with connected(flusher) as stuck:
            stuck.connection.keep(handover, dict)
            stuck.fill()
            stuck.connection.close(CloseReason.QUIT)
            own = served(connections, stuck)
            assert connections.hand_over(time.monotonic() + DEADLINE) == ([], [])
            own.join()
            assert handover.ledger.entries() == {}

    def test_one_that_turns_out_not_to_be_kept_is_ended(self, flusher: Flusher, handover: Handover) -> None:
        """It was just opening when the others were parked."""
        connections = ConnectionSet(10)
        with connected(flusher, tcp=True) as opening:
            opening.connection.number = 1
            may_open = threading.Event()

            def open_late() -> None:
                may_open.wait()
                opening.connection.keep(handover, lambda: None)

            own = served(connections, opening, begin=open_late)
            handing_over = threading.Timer(0.0, lambda: connections.hand_over(time.monotonic() + DEADLINE))
            handing_over.start()
            may_open.set()
            handing_over.join()
            assert opening.peer_reads_all() == b""
            own.join()


def end_of_test(parked: Ends, *threads: threading.Thread) -> None:
    """Let the thread of a parked connection go on and end, as the end of the process would make it."""
    parked.connection.cut(CloseReason.SHUTDOWN)
    parked.connection.unpark()
    for thread in threads:
        thread.join()
