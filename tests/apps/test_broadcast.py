"""The broadcast app: every byte to everybody, in one order."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.apps.fakes import FakeConnection
from threadchat.apps.broadcast import BroadcastApp, BroadcastMember
from threadchat.base.errors import CloseReason
from threadchat.chat.fanout import ByteFanout, Fanout, send_batch


def joined(fanout: ByteFanout[BroadcastMember], echo_sender: bool = True) -> tuple[BroadcastApp, FakeConnection]:
    """Return a connected app, and its connection."""
    connection = FakeConnection()
    app = BroadcastApp(connection(), fanout, echo_sender)
    app.connected()
    return app, connection


@given(st.lists(st.tuples(st.integers(0, 2), st.binary(min_size=1))), st.booleans())
def test_everybody_gets_every_read_in_order(said: list[tuple[int, bytes]], echo_sender: bool) -> None:
    """Whole, unchanged, any bytes; the sender too where that is wanted."""
    fanout: ByteFanout[BroadcastMember] = Fanout(send_batch)
    members = [joined(fanout, echo_sender) for _ in range(3)]
    for number, data in said:
        members[number][0].received(data)
    for me, (_, connection) in enumerate(members):
        assert connection.pieces == [data for number, data in said if echo_sender or number != me]


def test_who_has_left_gets_nothing_more() -> None:
    """And the others go on."""
    fanout: ByteFanout[BroadcastMember] = Fanout(send_batch)
    (ann, to_ann), (bob, to_bob) = joined(fanout), joined(fanout)
    bob.closed(CloseReason.RESET)
    ann.received(b"anybody?")
    assert (to_ann.data, to_bob.data) == (b"anybody?", b"")


@pytest.mark.parametrize("echo_sender", [True, False])
def test_reads_of_many_threads_do_not_interleave(echo_sender: bool) -> None:
    """One order for all who only listen, each read in one piece."""
    fanout: ByteFanout[BroadcastMember] = Fanout(send_batch)
    (_, first), (_, second) = joined(fanout), joined(fanout)
    barrier = threading.Barrier(4)

    def talk(letter: bytes) -> None:
        app, _ = joined(fanout, echo_sender)
        barrier.wait()
        for number in range(100):
            app.received(letter * 50 + b"%03d;" % number)

    threads = [threading.Thread(target=talk, args=(letter,)) for letter in (b"a", b"b", b"c", b"d")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert first.data == second.data
    reads = first.data.split(b";")[:-1]
    for letter in (b"a", b"b", b"c", b"d"):
        assert [read for read in reads if read[:1] == letter] == [letter * 50 + b"%03d" % n for n in range(100)]
