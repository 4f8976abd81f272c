"""A connection on a socket pair with tiny buffers: what it promises to its readers, senders and peers."""

from __future__ import annotations

import random
import socket
from collections.abc import Callable

import pytest

from tests.net.sockets import Ends, connected, in_background, kept
from tests.waiting import DEADLINE, until
from threadchat.base.errors import CloseReason
from threadchat.net.connection import Connection
from threadchat.net.flusher import Flusher
from threadchat.net.handover import Handover, Stored
from threadchat.net.slots import SLOT_BYTES
from threadchat.net.tcp import consumed_bytes


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

    @pytest.mark.parametrize("tcp", [False, True])
    @pytest.mark.parametrize("size", [1, SLOT_BYTES - 1, SLOT_BYTES, SLOT_BYTES + 1, 10_000])
    def test_what_has_come_is_read_in_one_piece(self, flusher: Flusher, tcp: bool, size: int) -> None:
        """However much more it is than a slot holds."""
        with connected(flusher, tcp=tcp) as ends:
            data = random.Random(size).randbytes(size)
            sending = in_background(lambda: ends.peer.sendall(data))
            read = b""
            while len(read) < size:
                read += ends.connection.read(None) or b""
            sending.join()
            assert read == data

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
    assert ends.connection.leave_behind()
    (unsent,) = [value for number, value in handover.ledger.entries().items() if number != 1]
    in_kernel = 0
    while in_kernel + len(unsent) < sent:
        in_kernel += len(ends.peer.recv(1 << 20))
    assert in_kernel + len(unsent) == sent


class TestParking:
    """Between its own thread and whoever hands the connection over."""

    def test_what_is_said_to_a_parked_connection_is_not_acted_on(self, flusher: Flusher) -> None:
        """It is in the slot, and the kernel knows how much of it there is."""
        with connected(flusher, tcp=True) as ends:
            found: list[bytes | None] = []
            reading = in_background(lambda: found.append(ends.connection.read(None)))
            assert ends.connection.park(DEADLINE)
            ends.peer.sendall(b"hello")
            until(lambda: consumed_bytes(ends.connection._socket, 0) == 5, "it to be read")
            assert ends.connection._slot.content(5) == b"hello"
            assert (found, ends.connection.bytes_in) == ([], 0)
            ends.connection.unpark()
            reading.join()
            assert found == [b"hello"]

    def test_where_the_kernel_does_not_count_it_stays_in_the_socket(self, ends: Ends) -> None:
        """A unix socket's bytes are looked at only, until they can be acted on."""
        found: list[bytes | None] = []
        reading = in_background(lambda: found.append(ends.connection.read(None)))
        assert ends.connection.park(DEADLINE)
        ends.peer.sendall(b"hello")
        until(lambda: ends.connection._slot.content(5) == b"hello", "it to be looked at")
        assert ends.connection._socket.recv(100, socket.MSG_DONTWAIT | socket.MSG_PEEK) == b"hello"
        ends.connection.unpark()
        reading.join()
        assert found == [b"hello"]

    def test_one_that_acts_cannot_be_parked(self, flusher: Flusher) -> None:
        """Until its thread reads again, or has ended."""
        with connected(flusher, tcp=True) as ends:
            ends.peer.sendall(b"hello")
            ends.connection.read(None)
            assert not ends.connection.park(0.0)
            ends.connection.end(CloseReason.ERROR)
            ends.connection.finish()
            assert ends.connection.park(0.0)

    def test_one_that_is_slowed_down_can_be_parked(self, ends: Ends) -> None:
        sleeping = in_background(lambda: ends.connection.sleep(0.01))
        assert ends.connection.park(DEADLINE)
        ends.connection.unpark()
        sleeping.join()

    def test_one_that_waits_for_its_receiver_can_be_parked(self, handover: Handover) -> None:
        """What is unsent is left behind; its own thread sends nothing more."""
        stopped = Flusher()
        stopped.stop()
        with connected(stopped) as ends:
            kept(ends, handover)
            sent = ends.fill()
            waiting = in_background(ends.connection.wait_sent)
            assert ends.connection.park(DEADLINE)
            assert ends.connection.leave_behind()
            (unsent,) = [value for number, value in handover.ledger.entries().items() if number != 1]
            assert len(ends.peer.recv(1 << 20)) > 0  # there is room now, and nobody uses it
            assert ends.connection._queue is not None
            assert ends.connection._queue.rest() == unsent
            assert len(unsent) < sent
            ends.connection.cut(CloseReason.SHUTDOWN)
            ends.connection.unpark()
            waiting.join()


def test_what_a_predecessor_has_read_is_read_first(flusher: Flusher, handover: Handover) -> None:
    """And counted once."""
    with connected(flusher, tcp=True) as ends:
        kept(ends, handover)
        state = {"server": "lobby", "address": "", "peer": "", "opened_at": 0.0, "bytes_in": 3, "bytes_out": 0}
        stored = Stored(1, ends.connection._socket, state, True, None, b"hello ")
        entries = handover.kept(stored)
        ends.connection.restore(stored, entries, dict)
        ends.peer.sendall(b"world")
        assert ends.connection.read(None) == b"hello "
        assert ends.connection.read(None) == b"world"
        assert ends.connection.bytes_in == 14


def test_one_that_is_abandoned_has_no_successor(handover: Handover, ends: Ends) -> None:
    """Its peer sees the end, whatever its own thread does."""
    kept(ends, handover)
    ends.connection.abandon()
    assert ends.peer.recv(100) == b""
    assert handover.ledger.entries() == {}
