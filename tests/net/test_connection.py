"""A connection on a socket pair with tiny buffers: what it promises to its readers, senders and peers."""

from __future__ import annotations

import functools
import random
import select
import signal
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from tests.net.sockets import Ends, connected, running_flusher
from tests.waiting import until
from threadchat.errors import CloseReason
from threadchat.net.connection import WAKE_SIGNAL, Connection
from threadchat.net.flusher import Flusher
from threadchat.net.handover import Handover


@pytest.fixture
def flusher() -> Iterator[Flusher]:
    """A flusher that runs."""
    with running_flusher() as flusher:
        yield flusher


@pytest.fixture
def ends(flusher: Flusher) -> Iterator[Ends]:
    """A connection with tiny buffers and no limits to speak of."""
    with connected(flusher) as ends:
        yield ends


def in_background(job: Callable[[], object]) -> threading.Thread:
    """Run *job* in a thread, as a connection's own thread would."""
    thread = threading.Thread(target=job, name="own")
    thread.start()
    return thread


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

    def test_corked_it_holds_everything_back_in_order(self, ends: Ends) -> None:
        """Until it is flushed; then all of it goes out, and what comes later directly."""
        ends.connection.cork()
        ends.connection.send(b"greeting ")
        ends.connection.send(b"line ")
        assert select.select([ends.peer], [], [], 0)[0] == []
        assert not ends.connection.flush()
        ends.connection.send(b"later")
        assert ends.peer_reads(19) == b"greeting line later"

    def test_sleep_ends_when_the_connection_does(self, ends: Ends) -> None:
        """A talker that is slowed down does not hold up a shutdown."""
        sleeper = in_background(lambda: ends.connection.sleep(3600.0))
        ends.connection.close(CloseReason.SHUTDOWN)
        sleeper.join()

    def test_sleep_is_over_in_time(self, ends: Ends) -> None:
        """And the connection goes on."""
        ends.connection.sleep(0.001)
        assert ends.connection.reason is None


class TestSending:
    """By any thread, never blocking."""

    def test_what_fits_goes_out_at_once(self, ends: Ends) -> None:
        """Without the flusher."""
        ends.connection.send(b"hello")
        assert ends.peer_reads(5) == b"hello"
        assert ends.connection.bytes_out == 5

    @pytest.mark.parametrize("tcp", [False, True])
    def test_what_does_not_fit_is_finished_in_order(self, flusher: Flusher, tcp: bool) -> None:
        """Far more than the kernel takes: the peer gets every byte, in pieces of any size, in order."""
        with connected(flusher, tcp=tcp) as ends:
            data = random.Random(1).randbytes(400_000)
            for start in range(0, len(data), 999):
                ends.connection.send(data[start : start + 999])
            assert ends.connection.bytes_out < len(data)
            assert ends.peer_reads(len(data)) == data
            until(lambda: ends.connection.bytes_out == len(data), "all bytes to be counted")

    def test_after_the_queue_has_drained_sends_are_direct_again(self, ends: Ends) -> None:
        """A slow moment has no consequences."""
        for _ in range(3):
            sent = ends.fill()
            assert ends.peer_reads(sent) == b"x" * sent
            until(lambda: ends.connection._queue is None, "the queue to be gone")
            ends.connection.send(b"direct")
            assert ends.peer_reads(6) == b"direct"

    def test_senders_do_not_interleave(self, ends: Ends) -> None:
        """Four threads, each piece whole, each thread's in order."""
        ended = threading.Barrier(5)

        def talk(letter: bytes) -> None:
            for number in range(100):
                ends.connection.send(letter * 500 + b"%03d\n" % number)
            ended.wait()

        threads = [in_background(functools.partial(talk, letter)) for letter in (b"a", b"b", b"c", b"d")]
        ended.wait()
        lines = ends.peer_reads(4 * 100 * 504).decode().splitlines()
        for letter in "abcd":
            assert [line for line in lines if line[0] == letter] == [f"{letter * 500}{n:03d}" for n in range(100)]
        for thread in threads:
            thread.join()

    def test_a_receiver_over_the_limit_in_bytes_is_cut(self, flusher: Flusher) -> None:
        """By name; the next send is nothing."""
        with connected(flusher, max_queue_bytes=50_000) as ends:
            for _ in range(1000):
                ends.connection.send(b"x" * 1000)
            assert ends.connection.reason is CloseReason.SLOW_CONSUMER_BYTES
            assert ends.connection.read(None) == b""
            assert 0 < len(ends.peer_reads_all()) < 1_000_000

    def test_one_send_over_the_limit_is_cut_too(self, flusher: Flusher) -> None:
        """Though nothing was queued before."""
        with connected(flusher, max_queue_bytes=50_000) as ends:
            ends.connection.send(b"x" * 1_000_000)
            assert ends.connection.reason is CloseReason.SLOW_CONSUMER_BYTES

    def test_a_queue_within_the_limit_is_kept(self, flusher: Flusher) -> None:
        """What is not over the limit is delivered."""
        with connected(flusher, max_queue_bytes=50_000) as ends:
            ends.connection.send(b"x" * 50_000)
            assert ends.connection.reason is None
            assert len(ends.peer_reads(50_000)) == 50_000

    def test_a_receiver_without_progress_is_cut(self) -> None:
        """When it has taken nothing for the send time-out, and not before."""
        flusher = Flusher()  # stands still: the test looks for progress itself
        with connected(flusher, send_timeout=30.0) as ends:
            ends.fill()
            assert ends.connection._queue is not None
            since = ends.connection._queue.progress_at
            ends.connection.check_progress(since + 29.0)
            assert ends.connection.reason is None
            ends.connection.check_progress(since + 31.0)
            assert ends.connection.reason is CloseReason.SLOW_CONSUMER_TIME
        flusher.stop()

    def test_progress_counts_from_the_last_byte_taken(self) -> None:
        """A receiver that is slow but reads stays."""
        flusher = Flusher()
        with connected(flusher, send_timeout=30.0) as ends:
            sent = ends.fill()
            assert ends.connection._queue is not None
            ends.connection._queue.progress_at -= 100.0  # it has been so for long
            before = ends.connection._queue.progress_at
            ends.connection.send(b"x" * 100_000)
            ends.peer_reads(sent // 2)
            assert ends.connection.flush()
            ends.connection.check_progress(before + 100.0)
            assert ends.connection.reason is None
        flusher.stop()

    def test_who_has_taken_everything_is_never_cut_for_time(self, ends: Ends) -> None:
        """Silence is no sin."""
        ends.connection.send(b"hello")
        ends.connection.check_progress(1e12)
        assert ends.connection.reason is None

    @pytest.mark.parametrize("tcp", [False, True])
    def test_sending_after_the_end_is_nothing(self, flusher: Flusher, tcp: bool) -> None:
        """After a cut, after the descriptor is closed: no exception, no effect."""
        with connected(flusher, tcp=tcp) as ends:
            ends.connection.cut(CloseReason.RESET)
            ends.connection.send(b"too late")
            ends.connection.finish()
            ends.connection.send(b"much too late")
            ends.connection.close(CloseReason.SHUTDOWN)
            ends.connection.cut(CloseReason.SHUTDOWN)
            ends.connection.check_progress(1e12)
            assert not ends.connection.flush()
            assert ends.connection.bytes_out == 0

    def test_sending_to_a_peer_that_has_gone_is_nothing(self, ends: Ends) -> None:
        """The reading thread finds out; a sender need not care."""
        ends.peer.close()
        for _ in range(3):
            ends.connection.send(b"hello?")
        assert ends.connection.read(None) == b""

    def test_a_queue_for_a_peer_that_has_gone_is_dropped(self, ends: Ends) -> None:
        """It does not stay for ever."""
        ends.fill()
        ends.peer.close()
        until(lambda: ends.connection._queue is None, "the queue to be dropped")


class TestBlockingSends:
    """For answers to this very peer."""

    def test_every_byte_arrives(self, ends: Ends) -> None:
        """At the receiver's pace."""
        ends.connection.limit_blocking_sends()
        data = random.Random(2).randbytes(400_000)
        sender = in_background(lambda: ends.connection.send_blocking(data))
        assert ends.peer_reads(len(data)) == data
        sender.join()
        assert ends.connection.bytes_out == len(data)

    def test_a_receiver_without_progress_is_cut(self, flusher: Flusher) -> None:
        """After the send time-out."""
        with connected(flusher, send_timeout=0.01) as ends:
            ends.connection.limit_blocking_sends()
            ends.connection.send_blocking(b"x" * 400_000)
            assert ends.connection.reason is CloseReason.SLOW_CONSUMER_TIME

    def test_a_receiver_that_has_gone_is_a_reset(self, ends: Ends) -> None:
        """It never raises."""
        ends.peer.close()
        ends.connection.send_blocking(b"hello?")
        assert ends.connection.reason is CloseReason.RESET

    def test_a_cut_ends_a_blocked_send(self, ends: Ends) -> None:
        """A shutdown is not held up by a peer that does not read."""
        ends.connection.limit_blocking_sends()
        sender = in_background(lambda: ends.connection.send_blocking(b"x" * 400_000))
        ends.connection.cut(CloseReason.SHUTDOWN)
        sender.join()
        assert ends.connection.reason is CloseReason.SHUTDOWN


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


@pytest.fixture
def handover() -> Iterator[Handover]:
    handover = Handover.create()
    yield handover
    handover.close()


def kept(ends: Ends, handover: Handover) -> set[int]:
    """Keep the connection; return the ids of its entries, which are changed in place by what comes."""
    ends.connection.number = 1
    ends.connection.keep(handover, {})
    return set(handover.ledger.entries())


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
    ends.connection.keep(handover, None)
    assert not ends.connection.kept
    assert handover.ledger.entries() == {}


def test_that_a_receiver_lags_behind_is_known_until_it_has_caught_up(handover: Handover, ends: Ends) -> None:
    """A crash in between finds an entry: something was unsent, and nobody knows what."""
    kept(ends, handover)
    sent = ends.fill()
    lagging = handover.ledger.entries()
    assert [value for number, value in lagging.items() if number != 1] == [b""]
    received = 0
    while received < sent:
        received += len(ends.peer.recv(1 << 20))
    until(lambda: set(handover.ledger.entries()) == {1}, "the entry to be gone")


def test_one_that_lags_behind_from_the_first_is_known_too(handover: Handover, ends: Ends) -> None:
    """Its greeting was held back, and does not fit."""
    ends.connection.cork()
    ends.connection.send(b"x" * (1 << 20))
    assert kept(ends, handover) == {1}
    assert ends.connection.flush()
    assert len(handover.ledger.entries()) == 2


def test_what_is_left_behind_is_all_that_was_not_sent(handover: Handover, ends: Ends) -> None:
    kept(ends, handover)
    sent = ends.fill()
    ends.connection.hand_over()
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
        ends.connection.hand_over()
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
    ends.connection.hand_over()
    ends.connection.keep(handover, {})
    assert ends.connection.reason is CloseReason.HANDED_OVER
    assert ends.connection.leave_behind()


@pytest.mark.parametrize("first", ["hand_over", "keep"])
def test_one_whose_app_cannot_be_gone_on_with_is_ended_instead(handover: Handover, ends: Ends, first: str) -> None:
    """Whichever is found out first."""
    if first == "hand_over":
        ends.connection.hand_over()
    ends.connection.keep(handover, None)
    if first == "keep":
        ends.connection.hand_over()
    assert ends.connection.reason is CloseReason.SHUTDOWN
