"""
Which worker gets which event, and in which thread.

Alone, an event is handled in the thread that brings it, because to wake another would take longer than the event.
When no worker is idle it waits in a queue, and its thread goes on: whoever is done with a worker takes the next event
from the queue, and so does not wait to be woken between two events. That is for the threads ``worker-exec``, of
which there are at most as many as workers; so under load few threads do all the work instead of all threads a little.

Idle workers and waiting events queue in the order in which they came. One lock guards both queues, for memory only.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue

from threadchat.errors import NoFreeWorker, WorkerError
from threadchat.workers.dialogue import EventNotTaken
from threadchat.workers.payload import ReplaceMe, Reply
from threadchat.workers.process import READY, WorkerProcess

#: For how many requests to be replaced one event is given to yet another worker.
REPLACE_REQUESTS = 3

#: An event that goes into any relay at once, as the one before has been read: PIPE_BUF, pipe(7).
_FITTING_BYTES = 4096

#: What became of an event.
Outcome = Reply | WorkerError


class Job:
    """
    An event on its way: an encoded frame, the seconds that a worker has for it, and who is told the outcome.

    *done* is called once, in any thread, with no lock held. It must neither block nor raise. A *closing* event may go
    without an answer.
    """

    __slots__ = ("closing", "done", "event", "requests", "timeout")

    def __init__(
        self, event: bytes, timeout: float | None, done: Callable[[Outcome], None], *, closing: bool = False
    ) -> None:
        self.event = event
        self.timeout = timeout
        self.done = done
        self.closing = closing
        self.requests = 0  # of workers that had it, to be replaced


#: A worker and the event that it has been given.
_Run = tuple[WorkerProcess, Job]


class Dispatcher:
    """
    Callable from any thread. *limit* is the number of events that may be waiting or executing, 0 for any.

    *retired* is called, in any thread, with a worker that came back from an event and is of no more use.
    """

    def __init__(self, limit: int, retired: Callable[[WorkerProcess], None]) -> None:
        self._limit = limit
        self._retired = retired
        self._lock = threading.Lock()
        self._idle: deque[WorkerProcess] = deque()
        self._waiting: deque[Job] = deque()
        self._events = 0  # waiting or executing
        self._closing = False
        self._runs: SimpleQueue[_Run | None] = SimpleQueue()
        self._runners: list[threading.Thread] = []
        self._parked = 0  # runners that nothing has been handed over to

    @property
    def waiting(self) -> int:
        """How many events wait for a worker."""
        return len(self._waiting)

    def submit(self, job: Job) -> None:
        """Have *job* done: before this returns if a worker is idle, later otherwise. Raises NoFreeWorker."""
        with self._lock:
            if self._closing:
                raise NoFreeWorker("the pool is stopping")
            if self._limit and self._events >= self._limit:
                raise NoFreeWorker(f"{self._events} events are queued or executing (max_queue_size)")
            self._events += 1
            if not self._idle:
                self._waiting.append(job)
                return
            worker = self._idle.popleft()
        run = self._give(worker, job)
        while run and run[1] is job:
            run = self._take(*run)
        if run:
            self._hand_over(run)

    def withdraw(self, job: Job) -> bool:
        """Take *job* back if it still waits; it is not told an outcome then. False: it is being done, or is done."""
        with self._lock:
            if job not in self._waiting:
                return False
            self._waiting.remove(job)
            self._events -= 1
            return True

    def offer(self, worker: WorkerProcess) -> None:
        """Take a new worker into service, unless it is to retire already."""
        with self._lock:
            job = None if worker.retirement else self._next(worker)
        if job:
            if run := self._give(worker, job):
                self._hand_over(run)
        elif worker.retirement:
            self._retired(worker)

    def withhold(self, worker: WorkerProcess, reason: str) -> bool:
        """Give *worker* no more events; return whether it was idle, and is the caller's now. If not, it will retire."""
        with self._lock:
            worker.retirement = worker.retirement or reason
            if worker not in self._idle:
                return False
            self._idle.remove(worker)
            return True

    def refuse(self) -> None:
        """Take no more events, and have those that wait fail."""
        with self._lock:
            self._closing = True
            waiting, self._waiting = self._waiting, deque()
            self._events -= len(waiting)
        for job in waiting:
            job.done(NoFreeWorker("the pool is stopping"))

    def close(self) -> None:
        """End the threads. No worker is left by now."""
        for _ in self._runners:
            self._runs.put(None)
        for runner in self._runners:
            runner.join()

    def _give(self, worker: WorkerProcess | None, job: Job) -> _Run | None:
        """Give *job* to *worker*, or to others if it is of no use; return who has it, if anybody has."""
        while worker:
            try:
                worker.give(job.event, job.timeout, closing=job.closing)
            except EventNotTaken as problem:
                worker = self._another(worker, job, problem)
            except WorkerError as problem:
                self._settle(worker, job, problem)
                return None
            else:
                return worker, job
        return None

    def _take(self, worker: WorkerProcess, job: Job) -> _Run | None:
        """Wait for what becomes of *job*, which *worker* has; return what is to be waited for next, if anything."""
        outcome: Outcome
        try:
            outcome = worker.take(job.timeout)
        except ReplaceMe as problem:
            return self._give(self._another(worker, job, problem), job)
        except WorkerError as problem:
            outcome = problem
        return self._settle(worker, job, outcome)

    def _settle(self, worker: WorkerProcess, job: Job, outcome: Outcome) -> _Run | None:
        """Tell *outcome*; return what *worker* does next, if anything."""
        following: Job | None = None
        with self._lock:
            self._events -= 1
            if good := worker.state is READY and not worker.retirement:
                following = self._next(worker)
        if following and worker.takes_at_once and len(following.event) <= _FITTING_BYTES:
            # It works while the client before is being answered: an eighth more events a second.
            run = self._give(worker, following)
            job.done(outcome)
            return run
        job.done(outcome)
        if not good:
            self._retired(worker)
        return self._give(worker, following) if following else None

    def _next(self, worker: WorkerProcess) -> Job | None:
        """Return what *worker* shall do next; if that is nothing, it is idle. Caller holds the lock."""
        if self._waiting:
            return self._waiting.popleft()
        self._idle.append(worker)
        return None

    def _another(self, worker: WorkerProcess, job: Job, problem: Exception) -> WorkerProcess | None:
        """Return another worker for *job*; None if it waits for one, before all others, or will have none."""
        if isinstance(problem, ReplaceMe):
            worker.retirement = "it asked to be replaced"
            job.requests += 1
        refused = job.requests == REPLACE_REQUESTS
        another: WorkerProcess | None = None
        with self._lock:
            refused = refused or self._closing
            if refused:
                self._events -= 1
            elif self._idle:
                another = self._idle.popleft()
            else:
                self._waiting.appendleft(job)
        if refused:
            reason = f"{job.requests} workers in a row asked to be replaced" if job.requests else "the pool is stopping"
            job.done(NoFreeWorker(reason))
        self._retired(worker)
        return another

    def _hand_over(self, run: _Run) -> None:
        """Have a runner wait for the outcome of *run*, a new one if all are busy."""
        with self._lock:
            if self._parked:
                self._parked -= 1
            else:
                runner = threading.Thread(target=self._keep_running, name="worker-exec", daemon=True)
                self._runners.append(runner)
                runner.start()
        self._runs.put(run)

    def _keep_running(self) -> None:
        while (run := self._runs.get()) is not None:
            following: _Run | None = run
            while following:
                following = self._take(*following)
            with self._lock:
                self._parked += 1
