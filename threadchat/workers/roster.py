"""
Who has which event, and who and what waits: idle workers and waiting events, both in the order in which they came.

While more events wait, a worker that can is given one more *ahead*: it lies in its relay, and the worker goes on with
it at once, where otherwise it would fall asleep and have to be woken, which takes longer than many an event. Nobody
waits longer for that, as an event that its worker has not begun to read can be taken back: for a worker that has
nothing else to do, for any that comes free after :data:`AHEAD_SECONDS`, and when its own one dies.

Whoever calls holds the dispatcher's lock. Nothing here waits; the one system call is that with which a worker's event
is taken back.
"""

from __future__ import annotations

from collections import deque

from threadchat.workers.job import Job
from threadchat.workers.process import WorkerProcess

#: How long an event given ahead may lie behind another before it is for whoever comes free first, in seconds.
AHEAD_SECONDS = 0.005


class Roster:
    """``events`` is how many wait or have been given. Workers are in service from :meth:`join` on."""

    def __init__(self) -> None:
        self.events = 0
        self.waiting: deque[Job] = deque()
        self._idle: deque[WorkerProcess] = deque()
        self._given: dict[WorkerProcess, list[Job]] = {}  # none, one, or one more ahead
        self._ahead: dict[WorkerProcess, None] = {}  # who has one ahead that may be taken back, the oldest first

    # Workers ------------------------------------------------------------------------------------

    def join(self, worker: WorkerProcess) -> Job | None:
        """Take *worker* into service; return what it shall do, as :meth:`next` does."""
        self._given[worker] = []
        return self.next(worker)

    def leave(self, worker: WorkerProcess) -> tuple[list[Job], list[Job]]:
        """Take *worker* out of service; return what it has had, at most two, and what it has not begun to read."""
        self._ahead.pop(worker, None)
        unread: list[Job] = []
        while job := self.take_back(worker):
            unread.append(job)
        return self._given.pop(worker), unread

    def leave_if_idle(self, worker: WorkerProcess) -> bool:
        """Take *worker* out of service unless it has something to do."""
        if worker not in self._idle:
            return False
        self._idle.remove(worker)
        del self._given[worker]
        return True

    def serves(self, worker: WorkerProcess) -> bool:
        """Whether *worker* is in service."""
        return worker in self._given

    # Events -------------------------------------------------------------------------------------

    def place(self, job: Job, *, first: bool = False) -> WorkerProcess | None:
        """Return an idle worker, which has *job* now; if there is none it waits, after or *first* of all others."""
        if self._idle:
            worker = self._idle.popleft()
            self._assign(worker, job)
            return worker
        if first:
            self.waiting.appendleft(job)
        else:
            self.waiting.append(job)
        return None

    def withdraw(self, job: Job) -> bool:
        """Forget *job*, if no worker has begun it."""
        worker = next((worker for worker in self._ahead if job in self._given[worker]), None)
        if worker:
            del self._ahead[worker]
            if taken := self.take_back(worker):  # perhaps the one before it
                self.waiting.appendleft(taken)
        if job not in self.waiting:
            return False
        self.waiting.remove(job)
        self.events -= 1
        return True

    def withdraw_all(self) -> list[Job]:
        """Forget what no worker has begun, and return it."""
        jobs = [job for worker in self._ahead if (job := self.take_back(worker))]
        jobs += self.waiting
        self._ahead.clear()
        self.waiting.clear()
        self.events -= len(jobs)
        return jobs

    def take_back(self, worker: WorkerProcess) -> Job | None:
        """Take back the first event that *worker* has not begun to read, if there is one."""
        event = worker.recall()
        for job in self._given[worker] if event else ():
            if job.event.startswith(event):  # of a large event, its beginning is as good
                self._given[worker].remove(job)
                worker.jobs -= 1
                return job
        return None

    # What a worker does next --------------------------------------------------------------------

    def first(self, worker: WorkerProcess) -> Job:
        """Return what *worker* is at; if it has one more ahead it may be that, which takes as long."""
        return self._given[worker][0]

    def answered(self, worker: WorkerProcess) -> tuple[Job, bool]:
        """Return what *worker* has been at, which is no longer its, and whether it goes on with another."""
        self._ahead.pop(worker, None)
        given = self._given[worker]
        return given.pop(0), bool(given)

    def next(self, worker: WorkerProcess) -> Job | None:
        """Return what *worker*, which has nothing, does next. Nothing: it is idle, or leaves, its time being over."""
        if worker.max_jobs and worker.jobs >= worker.max_jobs:
            worker.retirement = worker.retirement or "max_jobs"
        if worker.retirement:
            del self._given[worker]
            return None
        job = self._overdue(worker) or (self.waiting.popleft() if self.waiting else None)
        if job:
            self._assign(worker, job)
        else:
            self._idle.append(worker)
        return job

    def next_ahead(self, worker: WorkerProcess) -> Job | None:
        """Return what *worker*, which has one event, shall be given ahead; then :meth:`went_ahead` or not."""
        if not worker.takes_ahead or not self.waiting or self.events <= 2 * len(self._given):
            return None  # somebody will soon be free for it
        if worker.retirement or (worker.max_jobs and worker.jobs >= worker.max_jobs):
            return None
        first, second = self._given[worker][0], self.waiting[0]
        if not (first.fits and second.fits and first.timeout == second.timeout):
            return None
        self._assign(worker, self.waiting.popleft())
        return second

    def went_ahead(self, worker: WorkerProcess) -> Job | None:
        """Note that *worker* has its event ahead; return one that it has not begun, if another is idle."""
        if self._idle:
            return self.take_back(worker)
        self._ahead[worker] = None
        return None

    def not_ahead(self, worker: WorkerProcess, job: Job) -> None:
        """Note that *worker* could not be sent *job*."""
        self._given[worker].remove(job)
        worker.jobs -= 1

    def _assign(self, worker: WorkerProcess, job: Job) -> None:
        self._given[worker].append(job)
        worker.jobs += 1

    def _overdue(self, worker: WorkerProcess) -> Job | None:
        """Take back an event given ahead that *worker*, which has just become free, can begin sooner."""
        while self._ahead:
            other = next(iter(self._ahead))
            if self.waiting and worker.last_used_at - other.last_used_at < AHEAD_SECONDS:
                return None
            del self._ahead[other]
            if job := self.take_back(other):
                return job
        return None
