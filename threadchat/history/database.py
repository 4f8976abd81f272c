"""
One open database: a connection that writes, and some that read.

A thread that writes holds the store's lock (store.py). Readers see what was committed when they began.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from threadchat.chat.events import Event
from threadchat.chat.history import Gap
from threadchat.history import problems, schema
from threadchat.history.directory import identity
from threadchat.history.readers import Readers
from threadchat.history.schema import MAX_NUMBER, MAX_ROOM, NUMBER_BITS

Durability = Literal["process", "power"]

#: How long a write waits for another program's lock, in seconds.
PATIENCE = 0.005
#: The log, in bytes, shall not grow much over this.
LARGE_LOG_BYTES = 16 << 20
_INSERT = {table: f"INSERT INTO {table} VALUES (?, ?, ?, ?, ?, ?)" for table in ("talk", "comings")}  # noqa: S608


class Kept(NamedTuple):
    """What a database knows of a room."""

    name: str
    topic: str
    trimmed: int  # the number of the newest line of talk that was trimmed
    last: int  # the highest number, trimmed or not
    talk: int  # lines
    comings: int  # lines
    gaps: tuple[Gap, ...]


class Database:
    """The database at *path*, which is made if there is none. Raises sqlite3.Error, and schema.Unknown."""

    def __init__(self, path: Path, durability: Durability = "process", thorough: bool = True) -> None:
        self.path = path
        self.ids: dict[str, int] = {}  # of rooms, by name
        self.readers = Readers(path)
        self._checkpointer: sqlite3.Connection | None = None
        # Closed after all connections. Closing it earlier would take away SQLite's locks (fcntl(2)).
        self._file = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self.writer = _connect(path)
        except BaseException:
            os.close(self._file)
            raise
        try:
            schema.version(self.writer)
            if thorough:
                check(self.writer)
            self._use_log()
            self.writer.execute(f"PRAGMA synchronous = {'FULL' if durability == 'power' else 'NORMAL'}")
            self.writer.execute("PRAGMA wal_autocheckpoint = 0")  # the housekeeper does that
            self.writer.execute(f"PRAGMA journal_size_limit = {LARGE_LOG_BYTES}")
            schema.migrate(self.writer)
            self.files = files(path)
        except BaseException:
            self.writer.close()
            os.close(self._file)
            raise

    def rooms(self) -> list[Kept]:
        """Return what is known of all rooms: 0.1 s for a million lines. To be called before the first write."""
        lines = {
            table: dict(self.writer.execute(f"SELECT key >> {NUMBER_BITS}, sum(size) FROM {table} GROUP BY 1"))  # noqa: S608
            for table in ("talk", "comings")
        }
        gaps: dict[int, list[Gap]] = {}
        for room, first, last in self.writer.execute("SELECT room, first, last FROM gaps ORDER BY room, first"):
            gaps.setdefault(room, []).append(Gap(first, last))
        found = []
        for id, name, topic, trimmed, last in self.writer.execute("SELECT * FROM rooms").fetchall():
            self.ids[name] = id
            missing = tuple(gaps.get(id, ()))
            newest = max(
                last, trimmed, *(self._newest(table, id) for table in lines), missing[-1].last if missing else 0
            )
            talk, comings = (counts.get(id, 0) for counts in lines.values())
            found.append(Kept(name, topic, trimmed, newest, talk, comings, missing))
        return found

    def keep(
        self, name: str, talk: Sequence[Event], comings: Sequence[Event], topic: str | None, gaps: Sequence[Gap]
    ) -> None:
        """Keep all of this for the room called *name*, or nothing. Raises sqlite3.Error."""
        id = self.ids.get(name)
        execute = self.writer.execute
        if id and len(talk) == 1 and topic is None and not (comings or gaps):
            execute(_INSERT["talk"], _row(id << NUMBER_BITS, talk[0]))  # a single statement is a transaction by itself
            return
        execute("BEGIN IMMEDIATE")
        try:
            if id is None:
                id = self._add_room(name)
            base = id << NUMBER_BITS
            for table, events in (("talk", talk), ("comings", comings)):
                if events:
                    self.writer.executemany(_INSERT[table], [_row(base, event) for event in events])
            if topic is not None:
                execute("UPDATE rooms SET topic = ? WHERE id = ?", (topic, id))
            for first, last in gaps:
                # A gap that has grown since it was written has the same beginning, and replaces its old row.
                execute("INSERT OR REPLACE INTO gaps VALUES (?, ?, ?)", (id, first, last))
            execute("COMMIT")
        except BaseException:
            self.roll_back()
            raise
        self.ids[name] = id

    def trim(self, name: str, table: str, newest: int) -> None:
        """Forget the events of a *table* up to *newest*, which is the last number of one. Raises sqlite3.Error."""
        id = self.ids[name]
        execute = self.writer.execute
        execute("BEGIN IMMEDIATE")
        try:
            base = id << NUMBER_BITS
            execute(f"DELETE FROM {table} WHERE key BETWEEN ? AND ?", (base, base + newest))  # noqa: S608
            if table == "talk":
                execute("UPDATE rooms SET trimmed = ? WHERE id = ?", (newest, id))
                execute("DELETE FROM gaps WHERE room = ? AND last <= ?", (id, newest))
            execute("UPDATE rooms SET last = max(last, ?) WHERE id = ?", (newest, id))
            execute("COMMIT")
        except BaseException:
            self.roll_back()
            raise

    def checkpoint(self, writing: threading.Lock) -> None:
        """
        Put what is in the log into the database, so that the log can begin anew. Raises sqlite3.Error.

        Writers go on meanwhile, so some of the log may always be left. A large log is therefore finished under the
        *writing* lock. Most of the work, and the wait for the disk, comes before that, without the lock.
        """
        if self._checkpointer is None:
            self._checkpointer = _connect(self.path)
        self._checkpointer.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if self.log_state()[0] > LARGE_LOG_BYTES:
            os.fsync(self._file)
            with writing:
                self._checkpointer.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()

    def log_state(self) -> tuple[int, int]:
        """Return the log's size in bytes, and a value that changes whenever something is written."""
        try:
            status = log_path(self.path).stat()
        except OSError:
            return 0, 0
        return status.st_size, status.st_mtime_ns

    def set_patience(self, seconds: float) -> None:
        """Let writes wait so long for other programs' locks. Caller holds the lock."""
        self.writer.execute(f"PRAGMA busy_timeout = {round(seconds * 1000)}")

    def roll_back(self) -> None:
        """End a transaction that has failed."""
        if self.writer.in_transaction:
            self.writer.execute("ROLLBACK")

    def is_in_place(self) -> bool:
        """Whether the files are still where they were. (The log appears with the first line.)"""
        before, now = self.files, files(self.path)
        if any(old is not None and old != new for old, new in zip(before, now, strict=True)):
            return False
        self.files = now
        return True

    def abandon(self) -> None:
        """Close a database whose file is not where it was, and delete its log, so that no other one reads it."""
        _, log = self.files
        with contextlib.suppress(sqlite3.Error):
            self.writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self.close()
        if log == identity(log_path(self.path)):
            with contextlib.suppress(OSError):
                log_path(self.path).unlink()

    def close(self) -> None:
        """Put what is in the log into the database; close everything. Raises nothing."""
        self.readers.close()
        if self._checkpointer is not None:
            self._checkpointer.close()
        self.writer.close()  # the last connection to close empties the log, as far as it can
        os.close(self._file)

    def _use_log(self) -> None:
        (mode,) = self.writer.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise sqlite3.OperationalError("its file system is not for databases, as it cannot share memory")

    def _add_room(self, name: str) -> int:
        id = self.writer.execute("INSERT INTO rooms (name) VALUES (?)", (name,)).lastrowid
        assert id is not None
        if id > MAX_ROOM:
            raise sqlite3.OperationalError("it has too many rooms")
        return id

    def _newest(self, table: str, room: int) -> int:
        base = room << NUMBER_BITS
        row = self.writer.execute(
            f"SELECT key + size - 1 FROM {table} WHERE key BETWEEN ? AND ? ORDER BY key DESC LIMIT 1",  # noqa: S608
            (base, base + MAX_NUMBER),
        ).fetchone()
        return row[0] - base if row else 0


def _row(base: int, event: Event) -> tuple[object, ...]:
    kind, number, size, at, name, text = event
    return base + number, size, kind._value_, at, name, text


def check(connection: sqlite3.Connection) -> None:
    """Read everything, which takes 2 s for a GB. Raises sqlite3.DatabaseError if anything is damaged."""
    (result,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if result != "ok":
        raise problems.of(sqlite3.SQLITE_CORRUPT)


def files(path: Path) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
    """Return the identities of the database and its log; None if there is no such file."""
    return identity(path), identity(log_path(path))


def log_path(path: Path) -> Path:
    """Return where the log of the database at *path* is."""
    return path.with_name(path.name + "-wal")


def _connect(path: Path) -> sqlite3.Connection:
    if path.exists() and not os.access(path, os.W_OK):
        # SQLite would open it, and leave files beside it that may not be written to either.
        raise problems.of(sqlite3.SQLITE_READONLY)
    return sqlite3.connect(path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
