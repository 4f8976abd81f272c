"""Which worker gets which event: in the order in which both came, with nobody woken who need not be."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import cast

import pytest

from tests.waiting import until
from threadchat.errors import NoFreeWorker, WorkerCrashed, WorkerError
from threadchat.workers.dispatcher import Dispatcher, Job, Outcome
from threadchat.workers.payload import Reply, Verdict
from threadchat.workers.process import State, WorkerProcess

REPLY = Reply(Verdict.CONTINUE, b"")


class FakeWorker:
    """Answers when it is let: its ``gate`` is open unless closed by a test."""

    def __init__(self, problem: WorkerError | None = None) -> None:
        self.retirement = ""
        self.state = State.READY
        self.events: list[bytes] = []
        self.threads: list[str] = []
        self.gate = threading.Event()
        self.gate.set()
        self.takes_at_once = True
        self._problem = problem

    def give(self, event: bytes, timeout: float | None, *, closing: bool = False) -> None:
        """Take one event."""
        self.events.append(event)

    def take(self, timeout: float | None) -> Reply:
        """Answer it, in the thread that waits for that."""
        self.threads.append(threading.current_thread().name)
        self.gate.wait()
        if self._problem:
            self.state = State.STOPPED
            raise self._problem
        return REPLY


class Bench:
    """A dispatcher, its outcomes, and the workers it has given up."""

    def __init__(self, limit: int = 0) -> None:
        self.outcomes: list[tuple[bytes, Outcome]] = []
        self.retired: list[object] = []
        self.dispatcher = Dispatcher(limit, self.retired.append)

    def job(self, event: bytes) -> Job:
        """Return an event whose outcome is noted."""
        return Job(event, None, lambda outcome: self.outcomes.append((event, outcome)))

    def offer(self, worker: FakeWorker) -> None:
        """Take *worker* into service."""
        self.dispatcher.offer(cast(WorkerProcess, worker))


@pytest.fixture
def bench() -> Iterator[Bench]:
    """A dispatcher without workers."""
    bench = Bench()
    yield bench
    bench.dispatcher.close()


def test_alone_an_event_is_done_in_the_thread_that_brings_it(bench: Bench) -> None:
    """To wake another thread would take longer."""
    worker = FakeWorker()
    bench.offer(worker)
    bench.dispatcher.submit(bench.job(b"one"))
    assert bench.outcomes == [(b"one", REPLY)]
    assert worker.threads == [threading.current_thread().name]


def test_idle_workers_take_turns(bench: Bench) -> None:
    """First come, first served, for workers too."""
    workers = FakeWorker(), FakeWorker()
    for worker in workers:
        bench.offer(worker)
    for event in (b"1", b"2", b"3"):
        bench.dispatcher.submit(bench.job(event))
    assert [worker.events for worker in workers] == [[b"1", b"3"], [b"2"]]


def test_events_wait_for_a_worker_and_are_done_in_order(bench: Bench) -> None:
    """Submitting does not wait; the first worker there is takes them one after the other."""
    for event in (b"1", b"2", b"3"):
        bench.dispatcher.submit(bench.job(event))
    assert bench.outcomes == []
    worker = FakeWorker()
    bench.offer(worker)
    until(lambda: len(bench.outcomes) == 3, "the events to be done")
    assert worker.events == [b"1", b"2", b"3"]
    assert set(worker.threads) == {"worker-exec"}


def test_a_waiting_event_can_be_taken_back(bench: Bench) -> None:
    """Its time to wait is over; it is told no outcome."""
    job = bench.job(b"1")
    bench.dispatcher.submit(job)
    assert bench.dispatcher.withdraw(job)
    assert not bench.dispatcher.withdraw(job)
    worker = FakeWorker()
    bench.offer(worker)
    assert worker.events == []


def test_a_worker_that_fails_is_given_up_and_the_event_told(bench: Bench) -> None:
    """The next event gets another one."""
    crash = WorkerCrashed("it exited")
    bad, good = FakeWorker(crash), FakeWorker()
    bench.offer(bad)
    bench.offer(good)
    bench.dispatcher.submit(bench.job(b"1"))
    bench.dispatcher.submit(bench.job(b"2"))
    assert bench.outcomes == [(b"1", crash), (b"2", REPLY)]
    assert bench.retired == [bad]


def test_a_withheld_worker_gets_no_more_events(bench: Bench) -> None:
    """An idle one is the caller's at once; a busy one retires when it has answered."""
    idle, busy = FakeWorker(), FakeWorker()
    bench.offer(idle)
    assert bench.dispatcher.withhold(cast(WorkerProcess, idle), "too old")
    bench.offer(busy)
    busy.gate.clear()
    submitting = threading.Thread(target=bench.dispatcher.submit, args=(bench.job(b"1"),), name="submitting")
    submitting.start()
    until(lambda: busy.events, "the worker to be busy")
    assert not bench.dispatcher.withhold(cast(WorkerProcess, busy), "too old")
    busy.gate.set()
    submitting.join()
    assert bench.retired == [busy]
    assert idle.events == []


def test_more_events_than_the_limit_are_refused() -> None:
    """max_queue_size counts those that wait and those that are being done."""
    bench = Bench(limit=1)
    bench.dispatcher.submit(bench.job(b"1"))
    with pytest.raises(NoFreeWorker, match="max_queue_size"):
        bench.dispatcher.submit(bench.job(b"2"))
    bench.dispatcher.close()


def test_refusing_fails_what_waits(bench: Bench) -> None:
    """And what comes later."""
    bench.dispatcher.submit(bench.job(b"1"))
    bench.dispatcher.refuse()
    ((event, outcome),) = bench.outcomes
    assert event == b"1"
    assert isinstance(outcome, NoFreeWorker)
    with pytest.raises(NoFreeWorker):
        bench.dispatcher.submit(bench.job(b"2"))


@pytest.mark.parametrize(
    ("takes_at_once", "event", "had_it"),
    [
        (True, b"next", True),  # and works while the client before is being answered
        (False, b"next", False),  # it may be long before it is done with the last one
        (True, b"x" * 5000, False),  # it may be long before all of that is written
    ],
)
def test_a_worker_has_the_next_event_before_the_last_outcome_is_told(
    bench: Bench, takes_at_once: bool, event: bytes, had_it: bool
) -> None:
    """Unless that could keep somebody waiting for an answer that is there."""
    worker = FakeWorker()
    worker.takes_at_once = takes_at_once
    found: list[bool] = []
    bench.dispatcher.submit(Job(b"first", None, lambda outcome: found.append(event in worker.events)))
    bench.dispatcher.submit(bench.job(event))
    bench.offer(worker)
    until(lambda: bench.outcomes, "all to be done")
    assert found == [had_it]
