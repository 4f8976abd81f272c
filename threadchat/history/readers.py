"""A few read-only connections to a database, shared by thousands of threads. They do not block a writer."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

#: The most connections. A thread that wants one while all are in use waits.
MOST = 4
#: The page cache of each connection, in KiB: as much as one answer needs.
_CACHE_KIB = 256
#: How long reads may take to end, in seconds, when they are interrupted because the database is closed.
_CLOSE_SECONDS = 10.0


class Readers:
    """The connections, made when they are needed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._changed = threading.Condition()
        self._idle: list[sqlite3.Connection] = []
        self._busy: set[sqlite3.Connection] = set()
        self._closed = False

    @contextlib.contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection, without a time-out. Raises sqlite3.Error."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._idle or len(self._busy) < MOST)
            if self._closed:
                raise sqlite3.OperationalError("it has been closed")
            connection = self._idle.pop() if self._idle else self._connect()
            self._busy.add(connection)
        try:
            yield connection
        finally:
            with self._changed:
                self._busy.remove(connection)
                self._idle.append(connection)
                self._changed.notify()

    def close(self) -> None:
        """Interrupt all reads, and close all connections."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            # Again and again, as an interrupt stops only what a connection does at that moment.
            end = time.monotonic() + _CLOSE_SECONDS
            while self._busy and time.monotonic() < end:
                for connection in self._busy:
                    connection.interrupt()
                self._changed.wait(0.01)
            for connection in self._idle:
                connection.close()

    def _connect(self) -> sqlite3.Connection:
        where = f"{self._path.absolute().as_uri()}?mode=ro"
        connection = sqlite3.connect(where, uri=True, timeout=0.1, isolation_level=None, check_same_thread=False)
        try:
            connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        except sqlite3.Error:
            connection.close()
            raise
        return connection
