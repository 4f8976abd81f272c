"""Which worker gets which event: in the order in which both came, with nobody woken who need not be."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tests.waiting import until
from tests.workers.fake_worker import REPLY, FakeWorker
from threadchat.base.errors import NoFreeWorker, WorkerCrashed
from threadchat.workers.dispatcher import Dispatcher
from threadchat.workers.job import Job, Outcome
from threadchat.workers.payload import ReplaceMe


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
        self.dispatcher.offer(worker)


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
    assert bench.dispatcher.withhold(idle, "too old")
    bench.offer(busy)
    busy.gate.clear()
    submitting = threading.Thread(target=bench.dispatcher.submit, args=(bench.job(b"1"),), name="submitting")
    submitting.start()
    until(lambda: busy.events, "the worker to be busy")
    assert not bench.dispatcher.withhold(busy, "too old")
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
    worker.at_once = takes_at_once
    found: list[bool] = []
    bench.dispatcher.submit(Job(b"first", None, lambda outcome: found.append(event in worker.given)))
    bench.dispatcher.submit(bench.job(event))
    bench.offer(worker)
    until(lambda: bench.outcomes, "all to be done")
    assert found == [had_it]


def busy_with_one_ahead(bench: Bench, *problems: Exception | None) -> FakeWorker:
    """Return a worker that is at ``1`` and has ``2`` ahead; ``3`` waits. What it says to ``1`` comes last."""
    worker = FakeWorker(*problems, takes_ahead=True)
    answered = threading.Event()

    def tell_first(_: Outcome) -> None:
        worker.gate.clear()
        answered.set()

    bench.dispatcher.submit(Job(b"0", None, tell_first))
    for event in (b"1", b"2", b"3"):
        bench.dispatcher.submit(bench.job(event))
    bench.offer(worker)
    answered.wait()
    until(lambda: worker.events == [b"0", b"1"] and list(worker.unread) == [b"2"], "it to have one ahead")
    return worker


def test_events_given_ahead_are_done_in_order(bench: Bench) -> None:
    """The last of several too, when nothing waits any more."""
    worker = busy_with_one_ahead(bench)
    worker.gate.set()
    until(lambda: len(bench.outcomes) == 3, "the events to be done")
    assert bench.outcomes == [(b"1", REPLY), (b"2", REPLY), (b"3", REPLY)]
    bench.dispatcher.submit(bench.job(b"4"))
    assert bench.outcomes[-1] == (b"4", REPLY)
    assert worker.jobs == 5


def test_an_idle_worker_takes_what_lies_behind_a_slow_event(bench: Bench) -> None:
    """And what waits."""
    slow = busy_with_one_ahead(bench)
    other = FakeWorker()
    bench.offer(other)
    until(lambda: len(bench.outcomes) == 2, "the others to be done")
    assert sorted(bench.outcomes) == [(b"2", REPLY), (b"3", REPLY)]
    slow.gate.set()
    until(lambda: len(bench.outcomes) == 3, "the slow one to be done")
    assert sorted(other.events) == [b"2", b"3"]


def test_what_a_dead_worker_has_not_begun_is_not_lost(bench: Bench) -> None:
    """It comes before all that waits."""
    crash = WorkerCrashed("it exited")
    dead = busy_with_one_ahead(bench, None, crash)
    dead.gate.set()
    until(lambda: bench.retired, "it to be given up")
    assert bench.outcomes == [(b"1", crash)]
    other = FakeWorker()
    bench.offer(other)
    until(lambda: len(bench.outcomes) == 3, "the others to be done")
    assert other.events == [b"2", b"3"]


def test_a_dead_worker_that_has_begun_nothing_costs_nobody_anything(bench: Bench) -> None:
    """Not even the event that it was given first."""
    dead = busy_with_one_ahead(bench, None, WorkerCrashed("it exited"))
    dead.unread.appendleft(dead.events.pop())
    dead.gate.set()
    until(lambda: bench.retired, "it to be given up")
    assert bench.outcomes == []
    bench.offer(FakeWorker())
    until(lambda: len(bench.outcomes) == 3, "all to be done")
    assert bench.outcomes == [(b"1", REPLY), (b"2", REPLY), (b"3", REPLY)]


def test_one_that_dies_after_it_has_begun_two_loses_both(bench: Bench) -> None:
    """Each is told."""
    crash = WorkerCrashed("it exited")
    dead = busy_with_one_ahead(bench, None, crash)
    dead.begin()
    dead.gate.set()
    until(lambda: bench.retired, "it to be given up")
    assert [event for event, _ in bench.outcomes] == [b"1", b"2"]
    assert all(isinstance(outcome, WorkerCrashed) for _, outcome in bench.outcomes)


def test_what_is_given_ahead_to_one_that_asks_to_be_replaced_is_for_others(bench: Bench) -> None:
    """With the event that it does not want itself."""
    tired = busy_with_one_ahead(bench, None, ReplaceMe())
    tired.gate.set()
    until(lambda: bench.retired == [tired], "it to be given up")
    bench.offer(FakeWorker())
    until(lambda: len(bench.outcomes) == 3, "all to be done")
    assert bench.outcomes == [(b"1", REPLY), (b"2", REPLY), (b"3", REPLY)]


def test_what_it_has_begun_before_it_is_replaced_it_ends(bench: Bench) -> None:
    """It is not given to two."""
    tired = busy_with_one_ahead(bench, None, ReplaceMe())
    tired.begin()
    tired.gate.set()
    until(lambda: bench.retired == [tired], "it to be given up")
    assert bench.outcomes == [(b"2", REPLY)]
    bench.offer(FakeWorker())
    until(lambda: len(bench.outcomes) == 3, "all to be done")


def test_a_full_relay_is_no_place_for_one_more(bench: Bench) -> None:
    """The event waits on."""
    worker = FakeWorker(takes_ahead=True)
    worker.full = True
    for event in (b"1", b"2", b"3", b"4"):
        bench.dispatcher.submit(bench.job(event))
    bench.offer(worker)
    until(lambda: len(bench.outcomes) == 4, "all to be done")
    assert worker.events == [b"1", b"2", b"3", b"4"]


def test_refusing_fails_what_is_given_ahead(bench: Bench) -> None:
    """As what waits; what has been begun ends."""
    worker = busy_with_one_ahead(bench)
    bench.dispatcher.refuse()
    assert [event for event, _ in bench.outcomes] == [b"2", b"3"]
    worker.gate.set()
    until(lambda: len(bench.outcomes) == 3, "it to be done")
    assert bench.outcomes[-1] == (b"1", REPLY)


def test_one_that_is_gone_is_noticed_with_the_next_event(bench: Bench) -> None:
    """Which others do, with the one that it should have had ahead."""
    worker = FakeWorker(takes_ahead=True)

    def tell_first(_: Outcome) -> None:
        worker.gone = True

    worker.at_once = False
    bench.dispatcher.submit(Job(b"0", None, tell_first))
    for event in (b"1", b"2", b"3"):
        bench.dispatcher.submit(bench.job(event))
    bench.offer(worker)
    until(lambda: bench.retired, "it to be given up")
    assert (worker.events, worker.jobs) == ([b"0"], 1)
    bench.offer(FakeWorker())
    until(lambda: len(bench.outcomes) == 3, "all to be done")
    assert bench.outcomes == [(b"1", REPLY), (b"2", REPLY), (b"3", REPLY)]
