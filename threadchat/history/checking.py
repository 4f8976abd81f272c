"""Says what a daemon would find in a state directory, without changing anything there."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from threadchat.history import directory, problems, schema
from threadchat.history.database import check, log_path
from threadchat.history.directory import DATABASE

#: With less space than this, in bytes, a database cannot be used for long.
_LITTLE_SPACE = 1 << 20


class Finding(NamedTuple):
    """A sentence, and whether a daemon would not start because of it: for good, or only while another one runs."""

    sentence: str
    is_refusal: bool = False
    is_in_use: bool = False


def describe(path: Path) -> list[str]:
    """Return what a daemon would do with the history in the directory at *path*: a sentence or more."""
    return [finding.sentence for finding in find(path)]


def find(path: Path) -> list[Finding]:
    """Return what a daemon would find in the directory at *path*: something or other."""
    if not path.is_dir():
        if path.exists():
            return [Finding(f"{path} is no directory: no history could be kept there", is_refusal=True)]
        return [Finding(f"{path} does not exist: it would be made"), *_place(path)]
    try:
        in_use = directory.is_in_use(path)
        exists = (path / DATABASE).exists()
    except OSError as error:
        return [Finding(f"{path} may not be read: {(error.strerror or str(error)).lower()}", is_refusal=True)]
    found = []
    if in_use:
        found.append(
            Finding(f"{path} is in use by a running threadchat: a second one would be refused", is_in_use=True)
        )
    if exists:
        return [*found, _contents(path / DATABASE), *_place(path)]
    return [*found, Finding(f"{path} has no history: it would be made"), *_place(path)]


def _contents(path: Path) -> Finding:
    """Return what would be done with the database at *path*."""
    # If there is a log, it must be read too. If not, SQLite shall make no files beside the database just to read it.
    way = "mode=ro" if log_path(path).exists() else "immutable=1"
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?{way}", uri=True, timeout=1)) as connection:
            version = schema.version(connection)
            check(connection)
            if not version:
                return Finding(f"{path} is empty: it would be made anew")
            if version < len(schema.MIGRATIONS):
                return Finding(f"{path} has version {version}: it would become version {len(schema.MIGRATIONS)}")
            (lines,) = connection.execute("SELECT coalesce(sum(size), 0) FROM talk").fetchone()
            (rooms,) = connection.execute("SELECT count(*) FROM rooms").fetchone()
            return Finding(f"{path} is sound: it has {lines} lines of {rooms} rooms")
    except schema.Unknown as unknown:
        return Finding(f"{path} would be refused: {unknown}", is_refusal=True)
    except sqlite3.Error as error:
        if problems.code(error) in problems.DAMAGED:
            return Finding(f"{path} is damaged: it would be set aside as history.damaged-DATE.db, and made anew")
        return Finding(f"{path} could not be used now: {problems.sentence(error)}")


def _place(path: Path) -> list[Finding]:
    """Return what is wrong with the file system or directory where *path* is, or would be."""
    place = path
    while not place.exists():
        place = place.parent
    if not os.access(place, os.W_OK | os.X_OK):
        return [Finding(f"{place} may not be written to: no history could be kept", is_refusal=True)]
    space = os.statvfs(place)
    if space.f_bavail * space.f_frsize < _LITTLE_SPACE:
        return [Finding(f"{place} is on a disk that is full: nothing could be kept until there is space")]
    return []
