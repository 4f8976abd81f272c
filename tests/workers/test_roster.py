"""Who has which event, who waits, and what is given ahead and taken back."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.workers.fake_worker import FakeWorker
from threadchat.workers.job import Job
from threadchat.workers.process import WorkerProcess
from threadchat.workers.roster import AHEAD_SECONDS, Roster


def job(event: bytes, timeout: float | None = None) -> Job:
    """Return an event."""
    return Job(event, timeout, lambda _: None)


class House:
    """A roster whose workers get at once what they are given, as the dispatcher sees to."""

    def __init__(self, *workers: FakeWorker) -> None:
        self.roster = Roster()
        for worker in workers:
            assert self.roster.join(worker) is None

    def submit(self, *events: bytes, timeout: float | None = None) -> None:
        """Let events come."""
        for event in events:
            self.roster.events += 1
            if worker := self.roster.place(job(event, timeout)):
                worker.give(event, None)

    def answer(self, worker: FakeWorker, at: float = 0.0) -> None:
        """Let *worker* answer at the time *at*, in seconds; it begins what it has next."""
        worker.last_used_at = at
        worker.begun -= 1
        self.roster.events -= 1
        _, goes_on = self.roster.answered(worker)
        following = None if goes_on else self.roster.next(worker)
        if following:
            worker.give(following.event, None)
        if goes_on or following:
            ahead = self.roster.next_ahead(worker)
            if not worker.begun:
                worker.begin()
            if ahead:
                worker.give_ahead(ahead.event)
                assert self.roster.went_ahead(worker) is None


def busy_with_one_ahead(**options: int) -> tuple[House, FakeWorker, FakeWorker]:
    """Return two workers that have ``1`` and ``2`` ahead, and ``0``; ``3`` and ``4`` wait."""
    slow, other = FakeWorker(takes_ahead=True, **options), FakeWorker()
    house = House(slow, other)
    house.submit(b"x", b"0", b"1", b"2", b"3", b"4")
    for worker in (slow, other):
        worker.begin()
    house.answer(slow)
    return house, slow, other


def test_workers_and_events_wait_in_the_order_in_which_they_came() -> None:
    """First come, first served, for both."""
    workers = FakeWorker(), FakeWorker()
    house = House(*workers)
    house.submit(b"1", b"2", b"3", b"4")
    assert [list(worker.unread) for worker in workers] == [[b"1"], [b"2"]]
    workers[1].begin()
    house.answer(workers[1])
    assert workers[1].events == [b"2", b"3"]
    assert [job.event for job in house.roster.waiting] == [b"4"]
    assert house.roster.events == 3


def test_what_was_had_before_comes_first() -> None:
    """Before all that waits."""
    house = House()
    house.submit(b"1")
    assert house.roster.place(job(b"0"), first=True) is None
    assert [job.event for job in house.roster.waiting] == [b"0", b"1"]


def test_while_events_wait_a_worker_has_one_ahead() -> None:
    """One, and only as long as there is more to do than two for each worker: or it would be taken back at once."""
    house, slow, _ = busy_with_one_ahead()
    house.submit(b"5")
    assert (slow.events, list(slow.unread)) == ([b"x", b"1"], [b"2"])
    assert [job.event for job in house.roster.waiting] == [b"3", b"4", b"5"]
    house.answer(slow)
    assert (slow.events, list(slow.unread)) == ([b"x", b"1", b"2"], [b"3"])
    house.answer(slow)
    assert (slow.events, list(slow.unread)) == ([b"x", b"1", b"2", b"3"], [])
    assert [job.event for job in house.roster.waiting] == [b"4", b"5"]


@pytest.mark.parametrize(
    ("first", "second", "seconds"),
    [
        (bytes(5000), b"b", None),  # it may be long before all of it is read
        (b"a", bytes(5000), None),
        (b"a", b"b", 1.0),  # no two limits for one wait
    ],
)
def test_not_every_event_is_given_ahead(first: bytes, second: bytes, seconds: float | None) -> None:
    """Size and time have to fit."""
    worker = FakeWorker(takes_ahead=True)
    house = House(worker)
    house.submit(b"x", first)
    house.submit(second, timeout=seconds)
    house.submit(b"y")
    worker.begin()
    house.answer(worker)
    assert worker.events == [b"x", first]
    assert not worker.unread


def test_one_that_is_to_retire_has_nothing_ahead() -> None:
    """It has its last event, as max_jobs counts, or somebody wants it replaced."""
    _, slow, _ = busy_with_one_ahead(max_jobs=2)
    assert (slow.events, list(slow.unread)) == ([b"x", b"1"], [])
    house, slow, _ = busy_with_one_ahead()
    slow.retirement = "reset"
    house.answer(slow)
    assert (slow.events, list(slow.unread)) == ([b"x", b"1", b"2"], [])
    house.answer(slow)
    assert not house.roster.serves(slow)


def test_who_has_nothing_to_do_takes_what_lies_behind_another_event() -> None:
    """So nobody waits behind a slow event while a worker is idle."""
    house, slow, other = busy_with_one_ahead()
    house.answer(other)
    house.answer(other)
    assert other.events == [b"0", b"3", b"4"]
    house.answer(other)
    assert other.events == [b"0", b"3", b"4", b"2"]
    assert not slow.unread
    house.answer(slow)
    house.answer(other)
    assert house.roster.events == 0


def test_who_comes_free_takes_what_has_lain_too_long() -> None:
    """Though others wait, who came later."""
    house, _, other = busy_with_one_ahead()
    house.answer(other, at=AHEAD_SECONDS)
    assert other.events == [b"0", b"2"]
    assert [job.event for job in house.roster.waiting] == [b"3", b"4"]


def test_what_has_been_begun_cannot_be_taken() -> None:
    """Then there is nothing to do."""
    house, slow, other = busy_with_one_ahead()
    slow.begin()
    for _ in range(3):
        house.answer(other)
    assert other.events == [b"0", b"3", b"4"]
    house.answer(slow)
    house.answer(slow)
    assert house.roster.events == 0


def test_one_that_has_begun_neither_of_two_loses_the_first() -> None:
    """It goes on with the second as if that was all it ever had."""
    slow, other = FakeWorker(takes_ahead=True), FakeWorker()
    house = House(slow, other)
    house.submit(b"1", b"0", b"2")
    second = house.roster.waiting.popleft()
    house.roster._assign(slow, second)
    slow.give_ahead(second.event)
    assert house.roster.went_ahead(slow) is None
    other.begin()
    house.answer(other)
    assert other.events == [b"0", b"1"]
    assert list(slow.unread) == [b"2"]
    assert house.roster.first(slow) is second


def test_an_idle_worker_gets_at_once_what_another_was_just_given_ahead() -> None:
    """It has come free between the decision and the sending."""
    slow, other = FakeWorker(takes_ahead=True), FakeWorker()
    house = House(slow)
    house.submit(b"x", b"1", b"2", b"3")
    slow.begin()
    house.roster.events -= 1
    house.roster.answered(slow)
    following = house.roster.next(slow)
    ahead = house.roster.next_ahead(slow)
    assert following
    assert ahead
    slow.give(following.event, None)
    slow.begin()
    house.roster.withdraw(house.roster.waiting[0])
    house.roster.join(other)
    slow.give_ahead(ahead.event)
    assert house.roster.went_ahead(slow) is ahead
    assert house.roster.place(ahead, first=True) is other


def test_what_waits_can_be_withdrawn_wherever_it_waits() -> None:
    """In the queue or behind another event; not what has been begun."""
    house, slow, _ = busy_with_one_ahead()
    ahead, third = house.roster._given[slow][1], house.roster.waiting[0]
    assert house.roster.withdraw(third)
    assert house.roster.withdraw(ahead)
    assert not slow.unread
    assert not house.roster.withdraw(house.roster.first(slow))
    assert house.roster.events == 3


def test_if_the_one_before_it_is_not_begun_either_that_waits_first() -> None:
    """A pipe gives back what was written first."""
    house, slow, _ = busy_with_one_ahead()
    first, ahead = house.roster._given[slow]
    slow.unread.appendleft(slow.events.pop())
    assert not house.roster.withdraw(ahead)
    assert house.roster.waiting[0] is first


def test_all_that_waits_can_be_withdrawn() -> None:
    """What has been begun is left."""
    house, slow, _ = busy_with_one_ahead()
    assert sorted(job.event for job in house.roster.withdraw_all()) == [b"2", b"3", b"4"]
    assert not slow.unread
    assert house.roster.events == 2


def test_one_that_leaves_leaves_what_it_has_not_begun() -> None:
    """For others."""
    house, slow, _ = busy_with_one_ahead()
    had, unread = house.roster.leave(slow)
    assert ([job.event for job in had], [job.event for job in unread]) == ([b"1"], [b"2"])
    assert slow.jobs == 2
    assert not house.roster.serves(slow)


def test_a_large_event_is_not_begun_if_its_beginning_is_there() -> None:
    """The rest of it is in nobody's way."""
    worker = FakeWorker()
    house = House(worker)
    large = bytes(5000)
    house.submit(large)
    worker.unread.clear()
    worker.unread.extend([large[:4096], large[4096:]])
    had, unread = house.roster.leave(worker)
    assert (had, [job.event for job in unread]) == ([], [large])


def test_an_idle_worker_can_leave_at_once() -> None:
    """A busy one when it is done."""
    idle, busy = FakeWorker(), FakeWorker()
    house = House(busy, idle)
    house.submit(b"1")
    workers: list[WorkerProcess] = [idle, busy]
    assert [house.roster.leave_if_idle(worker) for worker in workers] == [True, False]
    assert [house.roster.serves(worker) for worker in workers] == [False, True]


class Anything(RuleBasedStateMachine):
    """Workers that come, read, answer and die in any order, and events that come and are withdrawn."""

    def __init__(self) -> None:
        super().__init__()
        self.roster = Roster()
        self.workers: list[FakeWorker] = []
        self.open: dict[bytes, Job] = {}  # neither answered nor lost nor withdrawn
        self.begun: set[bytes] = set()
        self.events = 0
        for _ in range(2):
            self.a_worker_comes(ahead=True, max_jobs=0)

    def give(self, worker: WorkerProcess | None, job: Job) -> None:
        if worker:
            worker.give(job.event, None)

    @rule(count=st.integers(1, 8))
    def events_come(self, count: int) -> None:
        for _ in range(count):
            self.events += 1
            coming = job(b"%d" % self.events)
            self.open[coming.event] = coming
            self.roster.events += 1
            self.give(self.roster.place(coming), coming)

    def reads(self, worker: FakeWorker) -> None:
        if worker.unread and not worker.begun:
            worker.begin()
            self.begun.add(worker.events[-1])

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def a_worker_reads(self, data: st.DataObject) -> None:
        self.reads(data.draw(st.sampled_from(self.workers)))

    @precondition(lambda self: len(self.workers) < 3)
    @rule(ahead=st.booleans(), max_jobs=st.sampled_from([0, 3]))
    def another_worker_comes(self, ahead: bool, max_jobs: int) -> None:
        self.a_worker_comes(ahead=ahead, max_jobs=max_jobs)

    def a_worker_comes(self, *, ahead: bool, max_jobs: int) -> None:
        worker = FakeWorker(takes_ahead=ahead, max_jobs=max_jobs)
        self.workers.append(worker)
        if first := self.roster.join(worker):
            self.give(worker, first)

    @precondition(lambda self: any(worker.begun or worker.unread for worker in self.workers))
    @rule(data=st.data(), times=st.integers(1, 12), late=st.booleans(), meanwhile=st.booleans())
    def a_worker_works(self, data: st.DataObject, times: int, late: bool, meanwhile: bool) -> None:
        worker = data.draw(st.sampled_from([worker for worker in self.workers if worker.begun or worker.unread]))
        self.works(worker, times, late, meanwhile)

    def works(self, worker: FakeWorker, times: int, late: bool, meanwhile: bool) -> None:
        for _ in range(times):
            if worker in self.workers and (worker.begun or worker.unread):
                self.answers(worker, late, meanwhile)

    def answers(self, worker: FakeWorker, late: bool, meanwhile: bool) -> None:
        self.reads(worker)
        worker.begun = 0
        worker.last_used_at += AHEAD_SECONDS * late
        self.roster.events -= 1
        answered, goes_on = self.roster.answered(worker)
        assert answered.event == worker.events[-1]  # or its answer would go to another client
        del self.open[answered.event]
        following = None if goes_on else self.roster.next(worker)
        ahead = self.roster.next_ahead(worker) if goes_on or following else None
        if following:
            self.give(worker, following)
        if ahead and meanwhile:  # all others do all there is, between the decision and the sending
            for other in [other for other in self.workers if other is not worker]:
                self.works(other, 100, late, meanwhile=False)
        if ahead:
            worker.give_ahead(ahead.event)
            if taken := self.roster.went_ahead(worker):
                self.give(self.roster.place(taken, first=True), taken)
        if not self.roster.serves(worker):
            self.workers.remove(worker)

    @precondition(lambda self: self.workers)
    @rule(data=st.data(), lucky=st.integers(0, 5))
    def a_worker_may_die(self, data: st.DataObject, lucky: int) -> None:
        if lucky:
            return
        worker = data.draw(st.sampled_from(self.workers))
        self.workers.remove(worker)
        if self.roster.leave_if_idle(worker):
            return
        lost, unread = self.roster.leave(worker)
        assert [job.event for job in lost] == worker.events[-1:] * bool(worker.begun)  # what it was at, and no more
        self.roster.events -= len(lost)
        for gone in lost:
            del self.open[gone.event]
        for left in reversed(unread):
            self.give(self.roster.place(left, first=True), left)

    @precondition(lambda self: self.open)
    @rule(data=st.data(), lucky=st.integers(0, 3))
    def an_event_may_be_withdrawn(self, data: st.DataObject, lucky: int) -> None:
        if lucky:
            return
        event = data.draw(st.sampled_from(sorted(self.open)))
        if self.roster.withdraw(self.open[event]):
            assert event not in self.begun
            del self.open[event]

    @invariant()
    def nothing_is_lost_or_doubled(self) -> None:
        given = [job for worker in self.workers for job in self.roster._given[worker]]
        assert sorted(job.event for job in [*self.roster.waiting, *given]) == sorted(self.open)
        assert self.roster.events == len(self.open)

    @invariant()
    def nobody_waits_while_a_worker_is_idle(self) -> None:
        if self.roster._idle:
            assert not self.roster.waiting
            assert all(len(given) < 2 for given in self.roster._given.values())

    @invariant()
    def a_worker_has_at_most_one_ahead(self) -> None:
        for worker in self.workers:
            given = [job.event for job in self.roster._given[worker]]
            assert given == worker.events[len(worker.events) - worker.begun :] + list(worker.unread)
            assert len(given) <= 1 + worker.takes_ahead


TestAnything = Anything.TestCase
TestAnything.settings = settings(max_examples=200, stateful_step_count=60, deadline=None)
