"""
Which worker has which event, which workers are idle, and which events wait, each in the order in which they came.

While many events wait, a worker that can take a second event is given one *ahead*. It lies in the worker's relay, and
the worker goes on with it at once. Without it, the worker would fall asleep and have to be woken, which takes longer
than many an event does. No event waits longer for being given ahead: as long as its worker has not begun to read it,
it can be taken back. That happens

* when another worker has nothing else to do;
* when any worker comes free after :data:`AHEAD_SECONDS`;
* when its own worker dies.

The caller holds the dispatcher's lock. Only ``waiting`` and :meth:`Roster.first` are also read without it. Nothing here
waits. The only system call is the one that takes a worker's event back.
"""

from __future__ import annotations

from collections import deque

from threadchat.workers.job import Job
from threadchat.workers.process import WorkerProcess

#: After so many seconds behind another event, an event given ahead is for any worker that comes free.
AHEAD_SECONDS = 0.005


class Roster:
    """``events`` counts the events that wait or are with a worker. A worker is in service from :meth:`join` on."""

    def __init__(self) -> None:
        self.events = 0
        self.waiting: deque[Job] = deque()
        self._idle: deque[WorkerProcess] = deque()
        self._given: dict[WorkerProcess, list[Job]] = {}  # no event, one, or one and another ahead
        self._ahead: dict[WorkerProcess, None] = {}  # workers whose event ahead may be taken back, the oldest first

    # Workers ------------------------------------------------------------------------------------

    def join(self, worker: WorkerProcess) -> Job | None:
        """Take *worker* into service; return its first event, as :meth:`next` does."""
        self._given[worker] = []
        return self.next(worker)

    def leave(self, worker: WorkerProcess) -> tuple[list[Job], list[Job]]:
        """Take *worker* out of service; return the events it may have begun, two at most, and those it has not."""
        self._ahead.pop(worker, None)
        unread: list[Job] = []
        while job := self.take_back(worker):
            unread.append(job)
        return self._given.pop(worker), unread

    def leave_if_idle(self, worker: WorkerProcess) -> bool:
        """Take *worker* out of service if it is idle; return whether it was."""
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
        """Assign *job* to an idle worker and return that. If there is none, *job* waits: last, or *first* of all."""
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
        """Forget *job* if no worker has begun it; return whether that was so."""
        worker = next((worker for worker in self._ahead if job in self._given[worker]), None)
        if worker:
            del self._ahead[worker]
            if taken := self.take_back(worker):  # perhaps the event before *job*
                self.waiting.appendleft(taken)
        if job not in self.waiting:
            return False
        self.waiting.remove(job)
        self.events -= 1
        return True

    def withdraw_all(self) -> list[Job]:
        """Forget the events that no worker has begun, and return them."""
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
            if job.event.startswith(event):  # only the beginning of a large event comes back
                self._given[worker].remove(job)
                worker.jobs -= 1
                return job
        return None

    # What a worker does next --------------------------------------------------------------------

    def first(self, worker: WorkerProcess) -> Job:
        """Return the event that *worker* is at. It may be at the one ahead already, which has the same time limit."""
        return self._given[worker][0]

    def answered(self, worker: WorkerProcess) -> tuple[Job, bool]:
        """Take the answered event from *worker*; return it, and whether the worker has another to go on with."""
        self._ahead.pop(worker, None)
        given = self._given[worker]
        return given.pop(0), bool(given)

    def next(self, worker: WorkerProcess) -> Job | None:
        """Return the next event for *worker*, which has none. None: it is idle now, or has left as its time is over."""
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
        """Return an event to give ahead to *worker*, which has one; report with :meth:`went_ahead` or `not_ahead`."""
        if not worker.takes_ahead or not self.waiting or self.events <= 2 * len(self._given):
            return None  # a worker will soon be free for it
        if worker.retirement or (worker.max_jobs and worker.jobs >= worker.max_jobs):
            return None
        first, second = self._given[worker][0], self.waiting[0]
        if not (first.fits and second.fits and first.timeout == second.timeout):
            return None
        self._assign(worker, self.waiting.popleft())
        return second

    def went_ahead(self, worker: WorkerProcess) -> Job | None:
        """Note that *worker* has its event ahead. If another is idle, take an unread event back and return it."""
        if self._idle:
            return self.take_back(worker)
        self._ahead[worker] = None
        return None

    def not_ahead(self, worker: WorkerProcess, job: Job) -> None:
        """Note that *job* could not be sent to *worker*."""
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
