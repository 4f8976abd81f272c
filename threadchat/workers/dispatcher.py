"""
Which thread brings an event to a worker, and which thread receives the answer.

If a worker is idle, the thread that submits an event also waits for the answer: waking another thread would take longer
than the event. If no worker is idle, the event waits in a queue, and its thread goes on. A thread that has received an
answer gives the worker the next event from the queue, so it need not be woken between two events. Those threads are
``worker-exec`` (runners.py). So under load a few threads do all the work, instead of every thread a little.

The roster (roster.py) decides which worker gets which event. One lock, the dispatcher's, guards it.
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

#: An event fails when so many workers in a row, instead of answering it, have asked to be replaced.
REPLACE_REQUESTS = 3


class Dispatcher:
    """
    Callable from any thread. *limit* is how many events may wait or execute at once; 0: any number.

    *retired* is called, in any thread, with a worker that has left service and must be ended. It is not called for
    a worker that :meth:`withhold` has handed to its caller.
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
        """Have *job* done: before this returns if a worker is idle, otherwise later. Raises NoFreeWorker."""
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
        """Take *job* back if it still waits; no outcome is reported then. False: it is being done, or is done."""
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
        """Give *worker* no more events. True: it was idle, and the caller must end it now. False: it retires later."""
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
        """End the threads. To be called when no worker is left."""
        self._runners.close()

    # For the thread that holds the worker. A returned worker is the one to wait for next -----------

    def _give(self, worker: WorkerProcess | None, job: Job) -> WorkerProcess | None:
        """Give *job* to *worker*, which the roster chose. If that worker is of no use, have the roster choose again."""
        while worker:
            try:
                worker.give(job.event, job.timeout, closing=job.closing)
            except EventNotTaken:
                with self._lock:
                    given, unread = self._roster.leave(worker)
                    worker.jobs -= len(given)  # leave() has subtracted the unread ones
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
        """Send *job* to *worker*, behind the event that it has. If that is impossible at once, give *job* to others."""
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
        """Wait for the answer of *worker*, and act on it."""
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
        """Report *outcome*, and give *worker* its next event, if there is one."""
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
        # If the worker can take its next event without a wait, it gets it before this outcome is reported.
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
        """Give the events of *worker*, which asks to be replaced, to others; but not one that it has begun to read."""
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
        """Report *outcome*, the last one from *worker*. Events that it has not begun to read go to others."""
        with self._lock:
            lost, unread = self._roster.leave(worker)
            self._roster.events -= len(lost)
        for job in lost:
            job.done(outcome)
            outcome = WorkerCrashed(worker.retirement)
        self._retired(worker)
        self._give_others(unread)

    def _give_others(self, jobs: Sequence[Job]) -> None:
        """Give *jobs*, which a worker had, to idle workers, or put them before all events that wait."""
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
