"""
The pool: so many workers, each with at most one event, and a fresh one for each that ends.

``exec`` is called by any thread, and blocks it: in practice by the thread of the connection whose event it
is, which keeps the events of one connection in order. Idle workers and waiting events queue in the order in
which they came. One lock guards the lists; no system call is made while it is held.

What is slow happens in short-lived threads, ``worker-start`` and ``worker-stop``. Not here: how a process is
started (launcher.py), what it says (process.py), when its time is over (supervisor.py).
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable

from threadchat.config import Pool as PoolConfig
from threadchat.errors import NoFreeWorker, WorkerError, WorkerStartError
from threadchat.log import Log
from threadchat.workers.dialogue import EventNotTaken
from threadchat.workers.launcher import Launcher
from threadchat.workers.payload import ReplaceMe, Reply
from threadchat.workers.process import STOP_SECONDS, State, WorkerProcess

#: For how many requests to be replaced one event is given to yet another worker.
REPLACE_REQUESTS = 3
#: Between failures to start a worker, in seconds: the first wait, doubled each time up to the last.
BACKOFF_SECONDS = 0.1
BACKOFF_MAX_SECONDS = 5.0


class _Waiter:
    """An event that waits for a worker; ``ready`` is released when ``worker`` is set, or to give up."""

    __slots__ = ("ready", "worker")

    def __init__(self) -> None:
        self.worker: WorkerProcess | None = None
        self.ready = threading.Lock()
        self.ready.acquire()


class Pool:
    """Starts nothing until ``start``. ``close`` ends everything, also a pool whose start failed."""

    def __init__(self, config: PoolConfig, launcher: Launcher, log: Log) -> None:
        self._config = config
        self._launcher = launcher
        self._log = log
        self._exec_seconds = config.supervisor.exec_ttl or None
        self._close_seconds = self._exec_seconds or config.close_timeout
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)  # workers came or went
        self._idle: deque[WorkerProcess] = deque()
        self._waiting: deque[_Waiter] = deque()
        self._workers: dict[int, WorkerProcess] = {}
        self._size = 0 if config.debug else config.size
        self._starting = 0
        self._events = 0  # waiting or executing
        self._failures = 0  # in a row: starts that failed, and workers that died before their first event
        self._background = 0  # threads that start or stop a worker
        self._closing = threading.Event()

    # --- events ---

    def exec(self, event: bytes, *, closing: bool = False) -> Reply:
        """
        Give *event*, an encoded frame, to the next free worker; return its reply.

        A *closing* event always has a time limit, so that an unanswered CLOSE cannot cost a worker for ever.
        Raises a WorkerError. What is to be done about the worker is done.
        """
        timeout = self._close_seconds if closing else self._exec_seconds
        deadline = time.monotonic() + self._config.allocate_timeout
        self._admit()
        try:
            requests = 0
            while requests < REPLACE_REQUESTS:
                worker = self._take(deadline)
                try:
                    return worker.exec(event, timeout)
                except EventNotTaken:
                    continue
                except ReplaceMe:
                    worker.retirement = "it asked to be replaced"
                    requests += 1
                finally:
                    self._put(worker)
            raise NoFreeWorker(f"{requests} workers in a row asked to be replaced")
        finally:
            with self._lock:
                self._events -= 1

    @property
    def available(self) -> bool:
        """Whether it makes sense to accept a connection: there are workers, or none has failed to start."""
        return bool(self._workers) or not self._failures

    def _admit(self) -> None:
        with self._lock:
            limit = self._config.max_queue_size
            if limit and self._events >= limit:
                raise NoFreeWorker(f"{self._events} events are queued or executing (max_queue_size)")
            self._events += 1

    def _take(self, deadline: float) -> WorkerProcess:
        if self._config.debug:
            return self._launcher.launch(self._config.allocate_timeout, max_jobs=1)
        with self._lock:
            if self._idle:
                return self._idle.popleft()
            if self._closing.is_set():
                raise NoFreeWorker("the pool is stopping")
            waiter = _Waiter()
            self._waiting.append(waiter)
        if waiter.ready.acquire(timeout=max(0.0, deadline - time.monotonic())) and waiter.worker:
            return waiter.worker
        with self._lock:
            if waiter.worker:  # at the last moment
                return waiter.worker
            if waiter in self._waiting:
                self._waiting.remove(waiter)
        timeout = self._config.allocate_timeout
        raise NoFreeWorker("the pool is stopping" if self._closing.is_set() else f"none within {timeout:g} s")

    def _put(self, worker: WorkerProcess) -> None:
        """Take *worker* back after an event."""
        with self._lock:
            if worker.state is State.READY:
                if worker.jobs == 1:
                    self._failures = 0
                if not worker.retirement:
                    self._offer(worker)
                    return
        self._retire(worker)

    def _offer(self, worker: WorkerProcess) -> None:
        """Give a worker that is READY to whoever has waited longest. Caller holds the lock."""
        if self._waiting:
            waiter = self._waiting.popleft()
            waiter.worker = worker
            waiter.ready.release()
        else:
            self._idle.append(worker)

    # --- workers ---

    def start(self) -> None:
        """Start all workers at once; return when all are ready. Raises WorkerStartError if any fails."""
        problems: list[WorkerStartError] = []

        def launch() -> None:
            try:
                self._launch()
            except WorkerStartError as problem:
                problems.append(problem)

        self._starting = self._size
        threads = [threading.Thread(target=launch, name="worker-start") for _ in range(self._size)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if problems:
            raise problems[0]

    def workers(self) -> list[WorkerProcess]:
        """Return the workers that there are now."""
        with self._lock:
            return list(self._workers.values())

    def replace(self, worker: WorkerProcess, reason: str) -> None:
        """Replace *worker*: now if it is idle, as soon as it is idle otherwise."""
        with self._lock:
            worker.retirement = worker.retirement or reason
            if worker not in self._idle:
                return
            self._idle.remove(worker)
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
            if not self._changed.wait_for(lambda: len(self._workers) >= self._size, timeout):
                raise WorkerStartError("the new workers have not started")

    def add(self) -> None:
        """Start one worker more. Raises WorkerError if there may be no more, or it does not start."""
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
            surplus = len(self._workers) > self._size
            worker = next(iter([*self._idle, *self._workers.values()]), None)
        if worker and surplus:
            self.replace(worker, "removed")

    def close(self) -> None:
        """Let events in flight finish, end all workers; return when all threads and processes are gone."""
        deadline = time.monotonic() + self._config.destroy_timeout
        with self._lock:
            self._closing.set()
            while self._waiting:
                self._waiting.popleft().ready.release()
        self._launcher.cancel()
        for worker in self.workers():
            self.replace(worker, "the pool is stopping")
        with self._lock:
            if not self._changed.wait_for(lambda: not self._workers, deadline - time.monotonic()):
                for worker in self._workers.values():
                    worker.kill()
            self._changed.wait_for(lambda: not self._workers and not self._background)
        self._launcher.close()

    def _refuse_in_debug(self) -> None:
        if self._config.debug:
            raise WorkerError("in debug mode every event has its own process")

    def _launch(self) -> None:
        """Start one worker, already counted as starting, and make it available. Raises WorkerStartError."""
        max_jobs = self._config.max_jobs
        spread = random.randrange(15)  # noqa: S311, so that not all are replaced at once
        worker = self._launcher.launch(self._config.allocate_timeout, max_jobs + max_jobs * spread // 100)
        with self._lock:
            self._starting -= 1
            self._workers[worker.pid] = worker
            if not self._closing.is_set():
                self._offer(worker)
            self._changed.notify_all()
        self._log.info("worker_started", pid=worker.pid)
        if self._closing.is_set():
            self._retire(worker)
        else:
            self._launcher.watch(worker, self._exited)

    def _exited(self, worker: WorkerProcess) -> None:
        """Notice that *worker* has exited. Called by the thread worker-log."""
        with self._lock:
            if worker not in self._idle:  # whoever holds it will see; what it started may keep its relay open
                worker.kill()
                return
            self._idle.remove(worker)
            worker.invalidate("it exited while it was idle")
        self._retire(worker)

    def _retire(self, worker: WorkerProcess) -> None:
        """End *worker*, which nobody else has, and start others until there are enough."""
        with self._lock:
            self._workers.pop(worker.pid, None)
            if worker.state is State.INVALID and not worker.jobs:
                self._failures += 1
            missing = 0 if self._closing.is_set() else self._size - len(self._workers) - self._starting
            missing = max(0, missing)
            self._starting += missing
            self._background += 1 + missing
            self._changed.notify_all()
        self._in_background("worker-stop", lambda: self._stop(worker))
        for _ in range(missing):
            self._in_background("worker-start", self._keep_starting)

    def _in_background(self, name: str, job: Callable[[], None]) -> None:
        """Run *job*, already counted, in a thread of its own."""

        def run() -> None:
            try:
                job()
            finally:
                with self._lock:
                    self._background -= 1
                    self._changed.notify_all()

        threading.Thread(target=run, name=name, daemon=True).start()

    def _stop(self, worker: WorkerProcess) -> None:
        status = worker.stop(min(STOP_SECONDS, self._config.destroy_timeout))
        reason = worker.retirement
        self._log.info("worker_stopped", pid=worker.pid, reason=reason, status=status, jobs=worker.jobs)

    def _keep_starting(self) -> None:
        """Start one worker, with ever longer pauses between attempts, as long as one is missing."""
        while not self._closing.wait(self._pause()):
            with self._lock:
                if len(self._workers) + self._starting > self._size:  # one was removed meanwhile
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
