"""
Which thread brings an event to a worker, and which one its answer back.

Alone, an event is handled in the thread that brings it, because to wake another would take longer than the event.
When no worker is idle it waits in a queue, and its thread goes on: whoever is done with a worker takes the next event
from the queue, and so does not wait to be woken between two events. That is for the threads ``worker-exec``
(runners.py); so under load few threads do all the work instead of all threads a little.

Which worker gets which event is the roster's business (roster.py); one lock guards it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from threadchat.base.errors import NoFreeWorker, WorkerCrashed, WorkerError
from threadchat.workers.dialogue import EventNotTaken
from threadchat.workers.job import Job, Outcome
from threadchat.workers.payload import ReplaceMe
from threadchat.workers.process import READY, WORKING, WorkerProcess
from threadchat.workers.roster import Roster
from threadchat.workers.runners import Runners

#: For how many requests to be replaced one event is given to yet another worker.
REPLACE_REQUESTS = 3


class Dispatcher:
    """
    Callable from any thread. *limit* is the number of events that may be waiting or executing, 0 for any.

    *retired* is called, in any thread, with a worker that came back from an event and is of no more use.
    """

    def __init__(self, limit: int, retired: Callable[[WorkerProcess], None]) -> None:
        self._limit = limit
        self._retired = retired
        self._runners = Runners(self._take)
        self._lock = threading.Lock()
        self._roster = Roster()
        self._closing = False

    @property
    def waiting(self) -> int:
        """How many events wait for a worker."""
        return len(self._roster.waiting)

    def submit(self, job: Job) -> None:
        """Have *job* done: before this returns if a worker is idle, later otherwise. Raises NoFreeWorker."""
        roster = self._roster
        with self._lock:
            if self._closing:
                raise NoFreeWorker("the pool is stopping")
            if self._limit and roster.events >= self._limit:
                raise NoFreeWorker(f"{roster.events} events are queued or executing (max_queue_size)")
            roster.events += 1
            worker = roster.place(job)
        if worker and (following := self._give(worker, job)) and (following := self._take(following)):
            self._runners.run(following)

    def withdraw(self, job: Job) -> bool:
        """Take *job* back if it still waits; it is not told an outcome then. False: it is being done, or is done."""
        with self._lock:
            return self._roster.withdraw(job)

    def offer(self, worker: WorkerProcess) -> None:
        """Take a new worker into service, unless it is to retire already."""
        with self._lock:
            job = self._roster.join(worker)
            retires = not self._roster.serves(worker)
        if retires:
            self._retired(worker)
        elif job and (following := self._give(worker, job)):
            self._runners.run(following)

    def withhold(self, worker: WorkerProcess, reason: str) -> bool:
        """Give *worker* no more events; return whether it was idle, and is the caller's now. If not, it will retire."""
        with self._lock:
            worker.retirement = worker.retirement or reason
            return self._roster.leave_if_idle(worker)

    def refuse(self) -> None:
        """Take no more events, and have those that wait fail."""
        with self._lock:
            self._closing = True
            jobs = self._roster.withdraw_all()
        for job in jobs:
            job.done(NoFreeWorker("the pool is stopping"))

    def close(self) -> None:
        """End the threads. No worker is left by now."""
        self._runners.close()

    # By whoever holds the worker; returned is who is to be waited for next, if anybody is ---------

    def _give(self, worker: WorkerProcess | None, job: Job) -> WorkerProcess | None:
        """Give *job* to *worker*, whose it is, or to others if that is of no use."""
        while worker:
            try:
                worker.give(job.event, job.timeout, closing=job.closing)
            except EventNotTaken:
                with self._lock:
                    given, unread = self._roster.leave(worker)
                    worker.jobs -= len(given)  # the others have been subtracted
                self._retired(worker)
                self._give_others([other for other in (*given, *unread) if other is not job])
                worker = self._place_again(job)
            except WorkerError as problem:
                self._forsake(worker, problem)
                return None
            else:
                return worker
        return None

    def _give_ahead(self, worker: WorkerProcess, job: Job) -> None:
        """Send *job* to *worker*, whose it is, after the one it has; or to others if that does not go at once."""
        other: Job | None = job
        sent = worker.give_ahead(job.event)
        with self._lock:
            if sent:
                other = self._roster.went_ahead(worker)
            else:
                self._roster.not_ahead(worker, job)
        if other:
            self._give_others([other])

    def _take(self, worker: WorkerProcess) -> WorkerProcess | None:
        """Wait for what *worker* says."""
        outcome: Outcome
        try:
            outcome = worker.take(self._roster.first(worker).timeout)
        except ReplaceMe:
            return self._replace(worker)
        except WorkerError as problem:
            outcome = problem
        if worker.state is READY:
            return self._settle(worker, outcome)
        self._forsake(worker, outcome)
        return None

    def _settle(self, worker: WorkerProcess, outcome: Outcome) -> WorkerProcess | None:
        """Tell *outcome*, and see what *worker* does next."""
        roster = self._roster
        following = ahead = None
        with self._lock:
            roster.events -= 1
            job, goes_on = roster.answered(worker)
            if goes_on:
                worker.state = WORKING
            else:
                following = roster.next(worker)
            if goes_on or following:
                ahead = roster.next_ahead(worker)
            retires = not roster.serves(worker)
        # Whoever can, works while the client before is being answered.
        at_once = not following or (worker.takes_at_once and following.fits)
        if not at_once:
            job.done(outcome)
        holder = self._give(worker, following) if following else worker if goes_on else None
        if ahead and holder is worker:
            self._give_ahead(worker, ahead)
        if at_once:
            job.done(outcome)
        if retires:
            self._retired(worker)
        return holder

    def _replace(self, worker: WorkerProcess) -> WorkerProcess | None:
        """Give to others what *worker* does not want any more."""
        worker.retirement = "it asked to be replaced"
        with self._lock:
            job, goes_on = self._roster.answered(worker)
            jobs = [job]
            if goes_on and (unread := self._roster.take_back(worker)):
                jobs.append(unread)
                goes_on = False
            if goes_on:
                worker.state = WORKING
            else:
                self._roster.leave(worker)
        job.requests += 1
        if job.requests == REPLACE_REQUESTS:
            self._refuse(jobs.pop(0), f"{job.requests} workers in a row asked to be replaced")
        self._give_others(jobs)
        if goes_on:
            return worker
        self._retired(worker)
        return None

    def _forsake(self, worker: WorkerProcess, outcome: Outcome) -> None:
        """Tell *outcome*, the last that comes from *worker*. What it has not begun to read is for others."""
        with self._lock:
            lost, unread = self._roster.leave(worker)
            self._roster.events -= len(lost)
        for job in lost:
            job.done(outcome)
            outcome = WorkerCrashed(worker.retirement)
        self._retired(worker)
        self._give_others(unread)

    def _give_others(self, jobs: Sequence[Job]) -> None:
        """Give *jobs*, which a worker had, to others: at once, or before all that waits."""
        for job in reversed(jobs):
            if following := self._give(self._place_again(job), job):
                self._runners.run(following)

    def _place_again(self, job: Job) -> WorkerProcess | None:
        with self._lock:
            if not self._closing:
                return self._roster.place(job, first=True)
        self._refuse(job, "the pool is stopping")
        return None

    def _refuse(self, job: Job, reason: str) -> None:
        with self._lock:
            self._roster.events -= 1
        job.done(NoFreeWorker(reason))
