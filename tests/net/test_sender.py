"""A connection's sending half on a socket pair with tiny buffers: what it promises to senders and receivers."""

from __future__ import annotations

import functools
import random
import select
import threading

import pytest

from tests.net.sockets import Ends, connected, in_background, kept
from tests.waiting import until
from threadchat.base.errors import CloseReason
from threadchat.net.flusher import Flusher
from threadchat.net.handover import Handover


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

    def test_one_piece_may_be_over_the_limit(self, flusher: Flusher) -> None:
        """A part of it is on its way already. The next one is too much."""
        with connected(flusher, max_queue_bytes=50_000) as ends:
            ends.connection.send(b"x" * 1_000_000)
            assert ends.connection.reason is None
            ends.connection.send(b"x")
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

    def test_corked_it_holds_everything_back_in_order(self, ends: Ends) -> None:
        """Until it is flushed; then all of it goes out, and what comes later directly."""
        ends.connection.cork()
        ends.connection.send(b"greeting ")
        ends.connection.send(b"line ")
        assert select.select([ends.peer], [], [], 0)[0] == []
        assert not ends.connection.flush()
        ends.connection.send(b"later")
        assert ends.peer_reads(19) == b"greeting line later"


class TestOffers:
    """What a receiver without room need not take."""

    def test_what_has_no_room_is_refused_whole(self, flusher: Flusher) -> None:
        """What was accepted arrives, and nothing else; nobody is cut."""
        with connected(flusher, max_queue_bytes=50_000) as ends:
            accepted = [ends.connection.offer(b"%d" % (number % 10) * 1000) for number in range(1000)]
            assert accepted.index(False) > 50
            whole = b"".join(b"%d" % (number % 10) * 1000 for number, took in enumerate(accepted) if took)
            assert ends.peer_reads(len(whole)) == whole
            until(lambda: ends.connection._queue is None, "the queue to be gone")
            assert ends.connection.offer(b"direct")
            assert ends.peer_reads(6) == b"direct"
            assert ends.connection.reason is None

    def test_who_waits_for_room_is_called_when_all_has_been_taken(self, ends: Ends) -> None:
        """Once."""
        called: list[int] = []
        assert not ends.connection.when_drained(lambda: called.append(0))
        sent = ends.fill()
        assert ends.connection.when_drained(lambda: called.append(1))
        assert called == []
        ends.peer_reads(sent)
        until(lambda: called, "the call")
        sent = ends.fill()
        ends.peer_reads(sent)
        until(lambda: ends.connection._queue is None, "the queue to be gone")
        assert called == [1]

    def test_one_that_is_cut_is_waited_for_by_nobody(self, ends: Ends) -> None:
        called: list[int] = []
        ends.fill()
        ends.connection.when_drained(lambda: called.append(1))
        ends.connection.cut(CloseReason.SHUTDOWN)
        ends.connection.finish()
        assert (called, ends.connection._on_drained) == ([], None)


def test_what_was_refused_is_lost_in_a_crash_until_it_was_sent(handover: Handover, flusher: Flusher) -> None:
    """Though the queue is empty again: it is elsewhere, and on its way."""
    with connected(flusher, max_queue_bytes=50_000) as ends:
        kept(ends, handover)
        sent = 0
        while ends.connection.offer(b"x" * 1000):
            sent += 1000
        ends.peer_reads(sent)
        until(lambda: ends.connection._queue is None, "the queue to be gone")
        assert sorted(handover.ledger.entries().values()).count(b"") == 1
        ends.connection.caught_up()
        assert set(handover.ledger.entries()) == {1}


class TestAnswers:
    """To this very peer, which is not read meanwhile."""

    def test_every_byte_arrives(self, ends: Ends) -> None:
        """At the receiver's pace."""
        data = random.Random(2).randbytes(400_000)
        sender = in_background(lambda: answer(ends, data))
        assert ends.peer_reads(len(data)) == data
        sender.join()
        assert ends.connection.bytes_out == len(data)

    def test_a_receiver_without_progress_is_cut(self, flusher: Flusher) -> None:
        """After the send time-out."""
        with connected(flusher, send_timeout=0.01) as ends:
            answer(ends, b"x" * 400_000)
            assert ends.connection.reason is CloseReason.SLOW_CONSUMER_TIME

    def test_answers_have_as_much_room_again(self, flusher: Flusher) -> None:
        """So nobody is cut off who asks something while lagging behind; but it is not endless."""
        with connected(flusher, max_queue_bytes=50_000) as ends:
            while ends.connection.offer(b"x" * 1000):
                pass
            for _ in range(40):
                ends.connection.answer(b"y" * 1000)
            assert ends.connection.reason is None
            for _ in range(20):
                ends.connection.answer(b"y" * 1000)
            assert ends.connection.reason is CloseReason.SLOW_CONSUMER_BYTES

    def test_an_answer_may_be_longer_than_the_queue_when_something_is_queued(self, flusher: Flusher) -> None:
        """As what newcomers are shown is, behind the greeting."""
        with connected(flusher, max_queue_bytes=50_000) as ends:
            ends.connection.cork()
            ends.connection.send(b"Welcome!")
            ends.connection.answer(b"x" * 200_000)
            ends.connection.flush()
            assert ends.peer_reads(200_008) == b"Welcome!" + b"x" * 200_000
            assert ends.connection.reason is None

    def test_a_receiver_that_has_gone_raises_nothing(self, ends: Ends) -> None:
        """The next read says so."""
        ends.peer.close()
        answer(ends, b"hello?")
        assert ends.connection.read(None) == b""
        assert ends.connection.reason is not None

    def test_a_cut_ends_the_waiting(self, ends: Ends) -> None:
        """A shutdown is not held up by a peer that does not read."""
        sender = in_background(lambda: answer(ends, b"x" * 400_000))
        ends.connection.cut(CloseReason.SHUTDOWN)
        sender.join()
        assert ends.connection.reason is CloseReason.SHUTDOWN


def answer(ends: Ends, data: bytes) -> None:
    """Do what an app does in the connection's own thread."""
    ends.connection.answer(data)
    ends.connection.wait_sent()


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
