"""A connection on a socket pair with tiny buffers: what it promises to its readers, senders and peers."""

from __future__ import annotations

import random
import signal
import socket
import threading
from collections.abc import Callable

import pytest

from tests.net.sockets import Ends, connected, in_background, kept
from tests.waiting import until
from threadchat.base.errors import CloseReason
from threadchat.net.connection import WAKE_SIGNAL, Connection
from threadchat.net.flusher import Flusher
from threadchat.net.handover import Handover
from threadchat.net.tcp import thaw


class TestReading:
    """By the connection's own thread."""

    def test_bytes_are_read_as_they_came_and_counted(self, ends: Ends) -> None:
        """Then the end, with its reason."""
        ends.peer.sendall(b"hello")
        assert ends.connection.read(None) == b"hello"
        ends.peer.shutdown(socket.SHUT_WR)
        assert ends.connection.read(None) == b""
        assert ends.connection.reason is CloseReason.EOF
        assert ends.connection.bytes_in == 5

    def test_silence_is_none(self, ends: Ends) -> None:
        """After the time-out, and reading goes on afterwards, with another time-out or none."""
        assert ends.connection.read(0.001) is None
        assert ends.connection.reason is None
        ends.peer.sendall(b"late")
        assert ends.connection.read(3600.0) == b"late"
        assert ends.connection.read(0.0001) is None
        ends.peer.sendall(b"later")
        assert ends.connection.read(None) == b"later"

    @pytest.mark.parametrize("how", [Connection.close, Connection.cut])
    @pytest.mark.parametrize("tcp", [False, True])
    def test_a_blocked_read_is_woken(
        self, flusher: Flusher, how: Callable[[Connection, CloseReason], None], tcp: bool
    ) -> None:
        """By any thread that ends the connection, politely or not; the reason is theirs."""
        with connected(flusher, tcp=tcp) as ends:
            results: list[bytes | None] = []
            reader = in_background(lambda: results.append(ends.connection.read(None)))
            how(ends.connection, CloseReason.SHUTDOWN)
            reader.join()
            assert results == [b""]
            assert ends.connection.reason is CloseReason.SHUTDOWN

    def test_the_first_reason_wins(self, ends: Ends) -> None:
        """Later ones are consequences."""
        ends.connection.end(CloseReason.QUIT)
        ends.connection.close(CloseReason.SHUTDOWN)
        ends.connection.cut(CloseReason.RESET)
        assert ends.connection.reason is CloseReason.QUIT

    def test_what_came_before_a_reset_can_be_read(self, flusher: Flusher) -> None:
        """Even after a send has failed; then the end is a reset. Sending never raises."""
        with connected(flusher, tcp=True) as ends:
            ends.peer.sendall(b"last words")
            ends.peer_resets()
            until(lambda: _is_reset(ends.connection), "the reset to arrive")
            ends.connection.send(b"anybody there?")
            ends.connection.send(b"hello?")
            assert ends.connection.read(None) == b"last words"
            assert ends.connection.read(None) == b""
            assert ends.connection.reason is not None

    def test_a_reset_is_its_own_reason(self, flusher: Flusher) -> None:
        """A peer that vanishes while being read has not said goodbye."""
        with connected(flusher, tcp=True) as ends:
            ends.peer_resets()
            assert ends.connection.read(None) == b""
            assert ends.connection.reason is CloseReason.RESET

    def test_sleep_ends_when_the_connection_does(self, ends: Ends) -> None:
        """A talker that is slowed down does not hold up a shutdown."""
        sleeper = in_background(lambda: ends.connection.sleep(3600.0))
        ends.connection.close(CloseReason.SHUTDOWN)
        sleeper.join()

    def test_sleep_is_over_in_time(self, ends: Ends) -> None:
        """And the connection goes on."""
        ends.connection.sleep(0.001)
        assert ends.connection.reason is None


class TestFinishing:
    """The last thing a connection's own thread does."""

    @pytest.mark.parametrize("reason", [CloseReason.EOF, CloseReason.QUIT, CloseReason.SHUTDOWN])
    def test_what_is_queued_is_delivered(self, flusher: Flusher, reason: CloseReason) -> None:
        """All of it, then the end of the stream; for a half-closed peer, too."""
        with connected(flusher) as ends:
            data = random.Random(3).randbytes(300_000)
            ends.peer.shutdown(socket.SHUT_WR)
            ends.connection.send(data)
            ends.connection.end(reason)
            own = in_background(ends.connection.finish)
            assert ends.peer_reads_all() == data
            own.join()

    def test_the_last_words_arrive_though_the_peer_has_said_more(self, flusher: Flusher) -> None:
        """Its unread bytes do not turn them into a reset (RFC 1122, 4.2.2.13)."""
        with connected(flusher, tcp=True) as ends:
            ends.peer.sendall(b"blah\n" * 200)
            ends.connection.send(b"Goodbye!\n")
            ends.connection.end(CloseReason.QUIT)
            own = in_background(ends.connection.finish)
            assert ends.peer_reads_all() == b"Goodbye!\n"
            ends.peer.close()
            own.join()

    def test_a_cut_ends_the_waiting_for_a_slow_peer(self, ends: Ends) -> None:
        """The stop deadline is kept, whatever is queued."""
        ends.fill()
        ends.connection.end(CloseReason.SHUTDOWN)
        own = in_background(ends.connection.finish)
        ends.connection.cut(CloseReason.SHUTDOWN)
        own.join()
        assert ends.connection._socket.fileno() == -1

    @pytest.mark.parametrize("reason", [CloseReason.SLOW_CONSUMER_BYTES, CloseReason.RESET, CloseReason.ERROR])
    def test_an_abrupt_end_does_not_wait(self, ends: Ends, reason: CloseReason) -> None:
        """What is queued is lost."""
        ends.fill()
        ends.connection.end(reason)
        ends.connection.finish()
        assert ends.connection._socket.fileno() == -1


@pytest.mark.parametrize(
    ("accepted", "address", "peer"),
    [
        (("192.0.2.1", 4711), "192.0.2.1", "192.0.2.1:4711"),
        (("2001:db8::1", 4711, 0, 0), "2001:db8::1", "[2001:db8::1]:4711"),
        ("", "unix", "unix"),
        (b"\0abstract", "unix", "unix"),
    ],
)
def test_a_peer_has_a_name_for_people_and_one_for_limits(
    flusher: Flusher, accepted: object, address: str, peer: str
) -> None:
    """Of whatever accept() says."""
    ours, other = socket.socketpair()
    with ours, other:
        connection = Connection(ours, accepted, "test", flusher, 1 << 20, 30.0)
        assert (connection.address, connection.peer) == (address, peer)


def _is_reset(connection: Connection) -> bool:
    """Return whether the kernel has seen the peer's reset: TCP_CLOSE is state 7 (tcp(7))."""
    return connection._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == 7


def test_a_kept_connection_ends_for_its_peer(handover: Handover, ends: Ends) -> None:
    """Although there is a copy of its descriptor that nobody has closed; and it is known no more."""
    assert kept(ends, handover) == {1}
    ends.connection.close(CloseReason.SHUTDOWN)
    finishing = in_background(ends.connection.finish)
    assert ends.peer.recv(100) == b""
    ends.peer.close()
    finishing.join()
    assert handover.ledger.entries() == {}


def test_a_connection_whose_app_cannot_go_on_is_not_kept(handover: Handover, ends: Ends) -> None:
    ends.connection.keep(handover, lambda: None)
    assert not ends.connection.kept
    assert handover.ledger.entries() == {}


def test_what_is_left_behind_is_all_that_was_not_sent(handover: Handover, ends: Ends) -> None:
    kept(ends, handover)
    sent = ends.fill()
    ends.connection.freeze()
    assert ends.connection.reason is CloseReason.HANDED_OVER
    assert ends.connection.leave_behind()
    (unsent,) = [value for number, value in handover.ledger.entries().items() if number != 1]
    in_kernel = 0
    while in_kernel + len(unsent) < sent:
        in_kernel += len(ends.peer.recv(1 << 20))
    assert in_kernel + len(unsent) == sent


def test_a_blocked_read_ends_when_it_is_handed_over(handover: Handover, ends: Ends) -> None:
    """With nothing read and nothing lost; what comes then is for the next process."""
    kept(ends, handover)
    found: list[bytes | None] = []

    def read() -> None:
        ends.connection.thread = threading.get_ident()
        found.append(ends.connection.read(None))

    before = signal.signal(WAKE_SIGNAL, lambda number, frame: None)
    try:
        reading = in_background(read)
        until(lambda: ends.connection.thread, "the read to begin")
        ends.connection.freeze()
        assert not ends.connection.rests()  # it is no TCP connection, which could be frozen
        ends.connection.interrupt()
        reading.join()
    finally:
        signal.signal(WAKE_SIGNAL, before)
    assert found == [None]


def test_a_real_end_goes_before_handing_over(ends: Ends) -> None:
    ends.connection.end(CloseReason.HANDED_OVER)
    ends.connection.end(CloseReason.QUIT)
    ends.connection.end(CloseReason.HANDED_OVER)
    assert ends.connection.reason is CloseReason.QUIT


def test_one_that_is_just_opening_is_handed_over_as_well(handover: Handover, ends: Ends) -> None:
    """It is not known yet whether its app can be gone on with: its own thread finds that it can."""
    ends.connection.freeze()
    ends.connection.keep(handover, dict)
    assert ends.connection.reason is CloseReason.HANDED_OVER
    assert ends.connection.leave_behind()


@pytest.mark.parametrize("first", ["freeze", "keep"])
def test_one_whose_app_cannot_be_gone_on_with_is_ended_instead(handover: Handover, ends: Ends, first: str) -> None:
    """Whichever is found out first."""
    if first == "freeze":
        ends.connection.freeze()
    ends.connection.keep(handover, lambda: None)
    if first == "keep":
        ends.connection.freeze()
    assert ends.connection.reason is CloseReason.SHUTDOWN


def test_a_frozen_connection_rests_while_its_thread_waits(handover: Handover, flusher: Flusher) -> None:
    """What comes then is for whoever thaws it; before all that has come is read, it does not rest."""
    with connected(flusher, tcp=True) as ends:
        kept(ends, handover)
        found: list[bytes | None] = []
        ends.peer.sendall(b"before")
        assert ends.connection.freeze()
        assert not ends.connection.rests()
        reading = in_background(lambda: found.extend([ends.connection.read(None), ends.connection.read(None)]))
        until(ends.connection.rests, "all to be read")
        ends.peer.sendall(b"after")
        assert ends.connection.rests()
        thaw(ends.connection._socket)
        reading.join()
        assert found == [b"before", b"after"]
        assert not ends.connection.rests()


def test_what_its_thread_still_works_on_keeps_it_from_resting(handover: Handover, flusher: Flusher) -> None:
    """It has been read, and not yet acted on."""
    with connected(flusher, tcp=True) as ends:
        kept(ends, handover)
        ends.peer.sendall(b"hello")
        assert ends.connection.read(None) == b"hello"
        assert ends.connection.freeze()
        assert not ends.connection.rests()
