"""
The directory that the database is in. Only one process at a time may use it.

    history.db (-wal, -shm)   the database
    numbers                   the last number of each room
    lock                      locked (flock) as long as a process uses this directory
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

DATABASE = "history.db"
_FILES = (DATABASE, DATABASE + "-wal", DATABASE + "-shm")


class InUse(Exception):  # noqa: N818, it is no mistake of ours
    """Another process uses the directory."""


class Directory:
    """The directory at *path*, which is made if there is none. Raises OSError and InUse."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise InUse from None
        self._identity = identity(path / "lock")

    @property
    def database(self) -> Path:
        """Where the database is."""
        return self.path / DATABASE

    @property
    def numbers(self) -> Path:
        """Where the numbers are."""
        return self.path / "numbers"

    def state(self) -> str:
        """Return a text that changes whenever the database does; empty if it cannot be told."""
        try:
            status = self.database.stat()
        except OSError:
            return ""
        return f"{status.st_ino} {status.st_size} {status.st_mtime_ns}"

    def set_aside(self) -> Path:
        """Rename the database, with its log, and return its new name. Raises OSError."""
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
        names = [f"history.damaged-{stamp}{again}.db" for again in ("", *(f"-{n}" for n in range(2, 100)))]
        name = next(name for name in names if not (self.path / name).exists())
        for file in reversed(_FILES):  # the database last: if this is interrupted, it is done again
            if (self.path / file).exists():
                (self.path / file).rename(self.path / file.replace(DATABASE, name))
        return self.path / name

    def is_in_place(self) -> bool:
        """Whether the directory is still where it was, and still ours."""
        return identity(self.path / "lock") == self._identity

    def close(self) -> None:
        """Let other processes use it."""
        os.close(self._lock)


def identity(path: Path) -> tuple[int, int] | None:
    """Return which file *path* is; None if there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def is_in_use(path: Path) -> bool:
    """Whether a process uses the directory at *path*. Raises OSError."""
    try:
        lock = os.open(path / "lock", os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False
