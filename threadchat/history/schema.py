"""
The tables, and the steps that made them: MIGRATIONS, a list that only ever grows.

A line is found by one integer, its *key*: the line's number is in the lower 40 bits, the room's id above them. An event
is one row, under the key of its first line. So a room's events lie together, in order, and need no index.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

#: Marks the file as ours ("thch"), so that another program's database is not taken for one.
APPLICATION = 0x74686368

NUMBER_BITS = 40
#: The highest number a line can have, and the highest id of a room.
MAX_NUMBER = (1 << NUMBER_BITS) - 1
MAX_ROOM = (1 << 62 - NUMBER_BITS) - 1

Migration = Callable[[sqlite3.Connection], None]


def _first(database: sqlite3.Connection) -> None:
    """Make the tables of version 1."""
    database.execute(
        """CREATE TABLE rooms (
            id INTEGER PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            topic TEXT NOT NULL DEFAULT '',
            trimmed INTEGER NOT NULL DEFAULT 0, -- number of the newest line of talk that was trimmed
            last INTEGER NOT NULL DEFAULT 0     -- number of the newest line of any kind that was trimmed
        )"""
    )
    # Table talk has what people say. Who comes and goes is in comings, which has a bound of its own.
    for table in ("talk", "comings"):
        database.execute(
            f"""CREATE TABLE {table} (
                key INTEGER PRIMARY KEY,
                size INTEGER NOT NULL, -- in lines
                kind TEXT NOT NULL,    -- as in the JSON protocol
                at INTEGER NOT NULL,   -- milliseconds since 1970, UTC
                name TEXT NOT NULL,
                text TEXT NOT NULL     -- lines joined by LF
            )"""
        )
    # The numbers of lines that could not be kept when they were said.
    database.execute(
        """CREATE TABLE gaps (
            room INTEGER NOT NULL,
            first INTEGER NOT NULL,
            last INTEGER NOT NULL,
            PRIMARY KEY (room, first)
        ) WITHOUT ROWID"""
    )


#: The migration at index n makes version n + 1 from version n.
MIGRATIONS: Sequence[Migration] = (_first,)


class Unknown(Exception):  # noqa: N818, it is no mistake of ours
    """This database is not for us: it is newer, or another program's. The message says so."""


def version(database: sqlite3.Connection, migrations: Sequence[Migration] = MIGRATIONS) -> int:
    """Return the version of *database*; 0 if it is new. Raises Unknown."""
    (application,) = database.execute("PRAGMA application_id").fetchone()
    (number,) = database.execute("PRAGMA user_version").fetchone()
    (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application != APPLICATION and (tables or number or application):
        raise Unknown("it is another program's database: move it away, or choose another directory")
    if number > len(migrations):
        raise Unknown(
            f"a newer threadchat has written it (version {number}; this one knows {len(migrations)}): "
            "install that one again, or move the file away"
        )
    return int(number)


def migrate(database: sqlite3.Connection, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Bring *database* to the newest version. Each step is done whole or not at all. Raises Unknown."""
    for number in range(version(database, migrations), len(migrations)):
        database.execute("BEGIN IMMEDIATE")
        try:
            migrations[number](database)
            database.execute(f"PRAGMA application_id = {APPLICATION}")
            database.execute(f"PRAGMA user_version = {number + 1}")
            database.execute("COMMIT")
        except BaseException:
            if database.in_transaction:
                database.execute("ROLLBACK")
            raise
