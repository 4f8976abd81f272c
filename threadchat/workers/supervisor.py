"""
Replaces workers whose time is over: too old, idle for too long, too big.

One thread, ``supervisor``, only where the section ``tcp.pool.supervisor`` exists. Nothing here interrupts an
event: a busy worker is replaced when it has answered. (Only ``exec_ttl`` interrupts one; the relay watches that.)
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from threadchat.config.sections import Supervisor as SupervisorConfig
from threadchat.workers.pool import Pool
from threadchat.workers.process import State, WorkerProcess

MB = 1024 * 1024


class Supervisor:
    """Looks at each worker of *pool* every ``watch_tick``. Starts its thread at once."""

    def __init__(self, pool: Pool, config: SupervisorConfig, clock: Callable[[], float] = time.monotonic) -> None:
        self._pool = pool
        self._config = config
        self._clock = clock
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join()

    def look(self) -> None:
        """Look at each worker once."""
        for worker in self._pool.workers():
            if reason := self._over(worker):
                self._pool.replace(worker, reason)

    def _over(self, worker: WorkerProcess) -> str:
        """Return why *worker* shall be replaced; empty if it shall not."""
        limits, now = self._config, self._clock()
        if limits.ttl and now - worker.started_at >= limits.ttl:
            return "ttl"
        idle = worker.state is State.READY and worker.jobs > 0
        if limits.idle_ttl and idle and now - worker.last_used_at >= limits.idle_ttl:
            return "idle_ttl"
        if limits.max_worker_memory and worker.resident_bytes() >= limits.max_worker_memory * MB:
            return "max_worker_memory"
        return ""

    def _run(self) -> None:
        while not self._stop.wait(self._config.watch_tick):
            self.look()
