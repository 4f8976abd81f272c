"""
The thread that looks after a database: it opens it again, forgets what is over the bounds, and empties the log.

No other thread has to wait for it: it trims in small steps, and rests four times as long as each step took.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from threadchat.base.errors import HistoryError
from threadchat.base.log import Log
from threadchat.history.database import LARGE_LOG_BYTES
from threadchat.history.retention import Retention
from threadchat.history.sqlite_room import SqliteRoom
from threadchat.history.store import Adopt, Store

#: While the log is not large, it is emptied once in so many seconds.
_CHECKPOINT_SECONDS = 10.0


class Housekeeper:
    """Looks every *tick* seconds. :meth:`start` starts its thread; :meth:`stop` ends and joins it."""

    def __init__(
        self,
        store: Store,
        rooms: Callable[[], Sequence[SqliteRoom]],
        adopt: Adopt,
        retention: Retention,
        tick: float,
        log: Log,
    ) -> None:
        self._store = store
        self._rooms = rooms
        self._adopt = adopt
        self._retention = retention
        self._tick = tick
        self._log = log
        self._reported = store.problem
        self._emptied_at = time.monotonic()
        self._emptied = 0  # the log's state at that time
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="history", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread, if it was started."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self._tick):
            try:
                self.look()
            except Exception:  # noqa: BLE001, whatever is wrong now, the next look may be better
                self._log.exception("history_housekeeping_failed")

    def look(self) -> None:
        """Do what is to be done now. For one thread at a time."""
        self._store.mend(self._adopt)
        self._report()
        try:
            self._empty_log()  # first: when the disk is full, that makes room for the rest
            self._retention.trim(self._rooms(), self._stopping.wait)
        except HistoryError:
            return  # the next look mends or reports it

    def _report(self) -> None:
        """Say once when there is a problem, and once when it is gone."""
        problem = self._store.problem
        if problem and not self._reported:
            self._log.error("history_failing", problem=problem)
        elif self._reported and not problem:
            self._log.info("history_works", problem=self._reported)
        self._reported = problem

    def _empty_log(self) -> None:
        size, state = self._store.database.log_state()
        now = time.monotonic()
        if state != self._emptied and (size > LARGE_LOG_BYTES or now - self._emptied_at >= _CHECKPOINT_SECONDS):
            self._emptied_at, self._emptied = now, state
            self._store.checkpoint()
