"""What is wrong with a database, in words for the log."""

from __future__ import annotations

import errno
import sqlite3

#: Errors that do not go away with one more try. The result codes are SQLite's, without their extensions.
DAMAGED = frozenset((sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB))

#: Errors after which a connection may go on failing, even when the reason is gone.
STUCK = frozenset((sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL))

_SENTENCES = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_READONLY: "it may not be written to: see its permissions, its directory's, and the file system",
    sqlite3.SQLITE_BUSY: "another program has locked it",
    sqlite3.SQLITE_LOCKED: "another program has locked it",
    sqlite3.SQLITE_CORRUPT: "it is damaged",
    sqlite3.SQLITE_NOTADB: "it is damaged",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened: see its permissions, and its directory's",
    sqlite3.SQLITE_IOERR: "the disk fails",
}

#: Reasons why a file cannot be made that may go away by themselves.
PASSING = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE))


def of(code: int) -> sqlite3.Error:
    """Return an error with that *code*, as if SQLite had raised it."""
    error = sqlite3.OperationalError(_SENTENCES[code])
    error.sqlite_errorcode = code
    return error


def code(error: sqlite3.Error) -> int:
    """Return SQLite's result code for *error*, without its extension; 0 if it is Python's."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def sentence(error: sqlite3.Error) -> str:
    """Return what is wrong, in words for the log."""
    return _SENTENCES.get(code(error), str(error))
