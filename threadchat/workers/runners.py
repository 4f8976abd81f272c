"""
The threads ``worker-exec``: each waits for a worker's answers, one after the other, as long as that worker has events.

A thread is started when it is needed. There are never more threads than workers. They end with the pool.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

from threadchat.workers.process import WorkerProcess


class Runners:
    """*take* waits for a worker's answer, and returns the worker to wait for next, if there is one."""

    def __init__(self, take: Callable[[WorkerProcess], WorkerProcess | None]) -> None:
        self._take = take
        self._workers: SimpleQueue[WorkerProcess | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._parked = 0  # idle threads that no worker has been handed to

    def run(self, worker: WorkerProcess) -> None:
        """Have a thread wait for *worker*; start a new thread if all are busy. Callable from any thread."""
        with self._lock:
            if self._parked:
                self._parked -= 1
            else:
                thread = threading.Thread(target=self._run, name="worker-exec", daemon=True)
                self._threads.append(thread)
                thread.start()
        self._workers.put(worker)

    def close(self) -> None:
        """End the threads. To be called when no worker is left."""
        for _ in self._threads:
            self._workers.put(None)
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while (worker := self._workers.get()) is not None:
            following: WorkerProcess | None = worker
            while following:
                following = self._take(following)
            with self._lock:
                self._parked += 1
