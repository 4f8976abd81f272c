"""
The pool: keeps a fixed number of workers, and starts a fresh one for each that ends.

Everything here may be called by any thread. Slow work happens in short-lived threads, ``worker-start`` and
``worker-stop``. The pool's lock guards its counts and comes before the dispatcher's. The only system calls under it
kill workers that did not end in time.

Other modules decide which worker gets which event (roster.py, dispatcher.py), start a process (launcher.py), talk to it
(process.py), and see when its time is over (supervisor.py).
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue

from threadchat.base.errors import NoFreeWorker, WorkerError, WorkerStartError
from threadchat.base.log import Log
from threadchat.config.sections import Pool as PoolConfig
from threadchat.workers.dispatcher import Dispatcher
from threadchat.workers.job import Job, Outcome
from threadchat.workers.launcher import Launcher
from threadchat.workers.payload import Reply
from threadchat.workers.process import STOP_SECONDS, State, WorkerProcess

#: How long to wait after a worker failed to start, in seconds. The wait doubles each time, up to the maximum.
BACKOFF_SECONDS = 0.1
BACKOFF_MAX_SECONDS = 5.0


class Pool:
    """Starts nothing until ``start`` or ``begin``. ``close`` ends everything, even if ``start`` failed."""

    def __init__(self, config: PoolConfig, launcher: Launcher, log: Log) -> None:
        self._config = config
        self._launcher = launcher
        self._log = log
        self._exec_seconds = config.supervisor.exec_ttl or None
        self._close_seconds = self._exec_seconds or config.close_timeout
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)  # workers came or went
        self._dispatcher = Dispatcher(config.max_queue_size, self._retire)
        self._workers: dict[int, WorkerProcess] = {}
        self._size = config.size
        self._starting = 0
        self._failures = 0  # in a row: starts that failed, and workers that died before their first event
        self._background = 0  # threads that start or stop a worker
        self._closing = threading.Event()

    # --- events ---

    def submit(self, event: bytes, done: Callable[[Outcome], None], *, closing: bool = False) -> Job:
        """
        Have a worker handle *event*, an encoded frame; *done* is called with the outcome.

        If a worker is idle, this happens in the calling thread. A *closing* event always has a time limit, so that an
        unanswered CLOSE cannot occupy a worker for ever. The caller watches the time, and withdraws the event if it
        still waits after :attr:`patience`. Raises NoFreeWorker if the event may not even wait.
        """
        job = Job(event, self._close_seconds if closing else self._exec_seconds, done, closing=closing)
        self._dispatcher.submit(job)
        if self._config.debug:
            self._refill()
        return job

    def withdraw(self, job: Job) -> None:
        """Have *job* fail if it still waits for a worker."""
        if self._dispatcher.withdraw(job):
            job.done(NoFreeWorker(f"none within {self.patience:g} s (allocate_timeout)"))

    def exec(self, event: bytes, *, closing: bool = False) -> Reply:
        """Have a worker handle *event*, wait, and return the reply. Raises a WorkerError."""
        outcomes: SimpleQueue[Outcome] = SimpleQueue()
        job = self.submit(event, outcomes.put, closing=closing)
        while True:
            try:
                outcome = outcomes.get(timeout=self.patience)
            except Empty:
                self.withdraw(job)
            else:
                if isinstance(outcome, WorkerError):
                    raise outcome
                return outcome

    @property
    def patience(self) -> float:
        """How many seconds an event may wait for a worker."""
        return self._config.allocate_timeout

    @property
    def available(self) -> bool:
        """Whether it makes sense to accept a connection: there are workers, or none has failed to start."""
        return bool(self._workers) or not self._failures or self._config.debug

    # --- workers ---

    def start(self) -> None:
        """Start all workers at once; return when all are ready. Raises WorkerStartError if any fails."""
        problems: list[WorkerStartError] = []

        def launch() -> None:
            try:
                self._launch()
            except WorkerStartError as problem:
                problems.append(problem)

        self._starting = 0 if self._config.debug else self._size
        threads = [threading.Thread(target=launch, name="worker-start") for _ in range(self._starting)]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                thread.join()
        except BaseException:  # a signal: the workers are not wanted any more
            self._launcher.cancel()
            for thread in threads:
                thread.join()
            raise
        if problems:
            raise problems[0]

    def begin(self) -> None:
        """Start all workers in the background, and keep trying if they do not start."""
        self._refill()

    def workers(self) -> list[WorkerProcess]:
        """Return the current workers."""
        with self._lock:
            return list(self._workers.values())

    def replace(self, worker: WorkerProcess, reason: str) -> None:
        """Replace *worker*: now if it is idle, otherwise as soon as it is."""
        if self._dispatcher.withhold(worker, reason):
            self._retire(worker)

    def reset(self) -> None:
        """
        Replace all workers, and return when that is done. Connections go on; events wait.

        Raises WorkerStartError if the new ones do not come within ``reset_timeout``.
        """
        timeout = self._config.reset_timeout
        old = set(self.workers())
        for worker in old:
            self.replace(worker, "reset")
        with self._lock:
            if not self._changed.wait_for(lambda: old.isdisjoint(self._workers.values()), timeout):
                for worker in old:
                    worker.kill()
            wanted = 0 if self._config.debug else self._size
            if not self._changed.wait_for(lambda: len(self._workers) >= wanted, timeout):
                raise WorkerStartError("the new workers have not started")

    def add(self) -> None:
        """Start one worker more. Raises WorkerError in debug mode, and if the worker does not start."""
        self._refuse_in_debug()
        with self._lock:
            self._size += 1
            self._starting += 1
        try:
            self._launch()
        except WorkerStartError:
            with self._lock:
                self._size -= 1
                self._starting -= 1
            raise

    def remove(self) -> None:
        """Stop one worker, an idle one if possible. Raises WorkerError for the last one."""
        self._refuse_in_debug()
        with self._lock:
            if self._size <= 1:
                raise WorkerError("the last worker cannot be removed")
            self._size -= 1
            workers = list(self._workers.values())
        if len(workers) > self._size:
            self.replace(next((worker for worker in workers if worker.state is State.READY), workers[0]), "removed")

    def close(self) -> None:
        """Let events in flight finish, and end all workers. Returns when all threads and processes are gone."""
        deadline = time.monotonic() + self._config.destroy_timeout
        self._closing.set()
        self._dispatcher.refuse()
        self._launcher.cancel()
        for worker in self.workers():
            self.replace(worker, "the pool is stopping")
        with self._lock:
            if not self._changed.wait_for(lambda: not self._workers, deadline - time.monotonic()):
                for worker in self._workers.values():
                    worker.kill()
            self._changed.wait_for(lambda: not self._workers and not self._background)
        self._dispatcher.close()
        self._launcher.close()

    def _refuse_in_debug(self) -> None:
        if self._config.debug:
            raise WorkerError("in debug mode every event has its own process")

    def _launch(self) -> None:
        """Start one worker, already counted as starting, and make it available. Raises WorkerStartError."""
        max_jobs = 1 if self._config.debug else self._config.max_jobs
        spread = random.randrange(15)  # noqa: S311, so that not all are replaced at once
        worker = self._launcher.launch(self._config.allocate_timeout, max_jobs + max_jobs * spread // 100)
        with self._lock:
            self._starting -= 1
            self._workers[worker.pid] = worker
            self._changed.notify_all()
        self._log.info("worker_started", pid=worker.pid)
        if self._closing.is_set():
            self._retire(worker)
        else:
            self._launcher.watch(worker, self._exited)
            self._dispatcher.offer(worker)

    def _exited(self, worker: WorkerProcess) -> None:
        """Notice that *worker* has exited. Called by the thread worker-log."""
        worker.exited = True
        if self._dispatcher.withhold(worker, "it exited while it was idle"):
            self._retire(worker)
        else:  # the thread that holds it sees its relay close, unless a process that it started keeps the relay open
            worker.kill()

    def _retire(self, worker: WorkerProcess) -> None:
        """End *worker*, which no other thread holds, and start others until there are enough."""
        with self._lock:
            self._workers.pop(worker.pid, None)
            died_at_once = not worker.jobs and (worker.exited or worker.state is State.INVALID)
            self._failures = self._failures + 1 if died_at_once else 0
            self._background += 1
            self._changed.notify_all()
        self._in_background("worker-stop", lambda: self._stop(worker))
        self._refill()

    def _refill(self) -> None:
        """Start as many workers as are missing. In debug mode that is one for each event that waits."""
        with self._lock:
            missing = max(0, self._missing())
            self._starting += missing
            self._background += missing
        for _ in range(missing):
            self._in_background("worker-start", self._keep_starting)

    def _missing(self) -> int:
        """Return how many more workers should be starting; negative: too many are. Caller holds the lock."""
        if self._closing.is_set():
            return 0
        if self._config.debug:
            return self._dispatcher.waiting - self._starting
        return self._size - len(self._workers) - self._starting

    def _in_background(self, name: str, job: Callable[[], None]) -> None:
        """Run *job*, which has been counted already, in a thread of its own."""

        def run() -> None:
            try:
                job()
            finally:
                with self._lock:
                    self._background -= 1
                    self._changed.notify_all()

        threading.Thread(target=run, name=name, daemon=True).start()

    def _stop(self, worker: WorkerProcess) -> None:
        log = self._log.warning if worker.state is State.INVALID else self._log.info
        status = worker.stop(min(STOP_SECONDS, self._config.destroy_timeout))
        log("worker_stopped", pid=worker.pid, reason=worker.retirement, status=status, jobs=worker.jobs)

    def _keep_starting(self) -> None:
        """Try to start one worker until it starts or is no longer missing, with ever longer pauses between attempts."""
        while not self._closing.wait(self._pause()):
            with self._lock:
                if self._missing() < 0:  # meanwhile a worker was removed, or an event withdrawn
                    break
            try:
                self._launch()
            except WorkerStartError as problem:
                with self._lock:
                    self._failures += 1
                self._log.warning("worker_start_failed", problem=str(problem), failures=self._failures)
            else:
                return
        with self._lock:
            self._starting -= 1

    def _pause(self) -> float:
        failures = self._failures
        return min(BACKOFF_SECONDS * 2.0 ** min(failures - 1, 10), BACKOFF_MAX_SECONDS) if failures else 0.0
