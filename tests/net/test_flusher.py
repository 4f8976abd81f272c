"""The flusher: finishes what would have blocked, runs what is due, and leaves nothing behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tests.net.sockets import connected, running_flusher
from tests.waiting import DEADLINE, until
from threadchat.base.errors import CloseReason
from threadchat.net import flusher as flusher_module
from threadchat.net.flusher import Flusher


@pytest.fixture
def flusher() -> Iterator[Flusher]:
    """A flusher that runs."""
    with running_flusher() as flusher:
        yield flusher


class TestLagging:
    """Receivers that did not take everything at once."""

    def test_many_lagging_receivers_are_finished(self, flusher: Flusher) -> None:
        """Each at its own pace: one that does not read at all holds up nobody."""
        with connected(flusher) as stuck, connected(flusher) as first, connected(flusher) as second:
            stuck.fill()
            data = b"x" * 200_000
            for ends in (first, second):
                ends.connection.send(data)
            for ends in (second, first):
                assert ends.peer_reads(len(data)) == data
            assert stuck.connection._queue is not None

    def test_a_descriptor_used_again_is_another_connection(self, flusher: Flusher) -> None:
        """Nothing is left of the one that had the number before."""
        for _ in range(20):
            with connected(flusher) as ends:
                data = b"y" * 100_000
                ends.connection.send(data)
                assert ends.peer_reads(len(data)) == data
                ends.fill()

    def test_a_receiver_without_progress_is_cut(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """By the flusher's own clock, with nobody else calling."""
        monkeypatch.setattr(flusher_module, "CHECK_SECONDS", 0.01)
        with running_flusher() as flusher, connected(flusher, send_timeout=0.02) as ends:
            ends.fill()
            until(lambda: ends.connection.reason, "the slow consumer to be cut")
            assert ends.connection.reason is CloseReason.SLOW_CONSUMER_TIME
            assert ends.connection.read(None) == b""

    def test_forgetting_what_is_not_watched_is_nothing(self, flusher: Flusher) -> None:
        """A connection that never lagged is closed without ado."""
        flusher.forget(12345)


class TestLater:
    """Small things that are due at a time."""

    def test_things_are_run_when_due_in_that_order(self, flusher: Flusher) -> None:
        """The sooner first, whenever they were asked for; on the flusher's thread."""
        done: list[tuple[str, str]] = []
        finished = threading.Event()
        flusher.later(0.02, finished.set)
        flusher.later(0.01, lambda: done.append(("second", threading.current_thread().name)))
        flusher.later(0.0, lambda: done.append(("first", threading.current_thread().name)))
        assert finished.wait(DEADLINE)
        assert done == [("first", "flusher"), ("second", "flusher")]

    def test_what_is_due_may_ask_for_more(self, flusher: Flusher) -> None:
        """Even at once."""
        finished = threading.Event()
        flusher.later(0.0, lambda: flusher.later(0.0, finished.set))
        assert finished.wait(DEADLINE)

    def test_what_is_due_much_later_is_run_when_stopping(self) -> None:
        """Nobody waits for it, and it is not lost."""
        done: list[str] = []
        with running_flusher() as flusher:
            flusher.later(3600.0, lambda: done.append("tomorrow"))
            flusher.later(1800.0, lambda: done.append("today"))
            assert done == []
        assert done == ["today", "tomorrow"]


def test_a_flusher_that_never_started_can_be_stopped() -> None:
    """A daemon whose addresses are taken never gets that far."""
    Flusher().stop()


def test_connections_may_lag_before_the_thread_starts() -> None:
    """What was queued meanwhile is finished then."""
    flusher = Flusher()
    with connected(flusher) as ends:
        data = b"x" * 100_000
        ends.connection.send(data)
        flusher.start()
        assert ends.peer_reads(len(data)) == data
    flusher.stop()
