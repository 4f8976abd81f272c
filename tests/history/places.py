"""Places for a database: full file systems, read-only ones, and programs that hold a lock."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests import root
from tests.debian import unavailable

_LOCKER = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
database.execute("ROLLBACK")
database.close()
"""


@contextlib.contextmanager
def small_disk(path: Path, size: str = "1m") -> Iterator[Path]:
    """Have a file system of that *size* at *path*. Skips the test, by name, where that is not allowed."""
    root.require("to mount a small file system")
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0777", "tmpfs", str(path)]
    mounted = subprocess.run(mount, check=False, capture_output=True, text=True)
    if mounted.returncode:
        unavailable(f"mount: {mounted.stderr.strip()}")
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", path], check=True)


def fill(disk: Path) -> Path:
    """Leave no space on a *disk*; return the file to delete for that."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        for size in (65_536, 4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))
    return filler


@contextlib.contextmanager
def locked(database: Path) -> Iterator[None]:
    """Have another program lock *database*."""
    with subprocess.Popen(
        [sys.executable, "-c", _LOCKER, database], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"locked\n"
        yield
        other.communicate()


def overwrite_pages(database: Path, first: int = 1, count: int = 1000) -> None:
    """Write garbage over pages of *database*, of 4096 bytes, but not over its header."""
    with database.open("r+b") as file:
        pages = file.seek(0, os.SEEK_END) // 4096
        for page in range(first, min(first + count, pages)):
            file.seek(page * 4096)
            file.write(os.urandom(4096))


def contents(database: Path) -> list[str]:
    """Return the text of all talk in *database*, read by a program that knows SQL only."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return [text for (text,) in connection.execute("SELECT text FROM talk ORDER BY key")]
