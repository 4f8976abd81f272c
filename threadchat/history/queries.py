"""
The queries. A cursor is closed as soon as enough has been read, because an open one keeps old pages of the log in use.

There is no full-text index. It would cost 6 µs a line (24 µs if it could find parts of words). That is three times what
it costs to keep the line, and most lines are never looked for. Looking at 10,000 lines costs 2 ms, at a million 0.2 s.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing

from threadchat.chat.events import Event, Kind
from threadchat.chat.history import Found
from threadchat.history.matching import Matcher
from threadchat.history.schema import MAX_NUMBER, NUMBER_BITS
from threadchat.history.selecting import first_events, last_lines, matching_lines

_KINDS = {kind.value: kind for kind in Kind}

# The first row is the last event that begins at or before :after, as it may have lines over that number.
_AFTER = " UNION ALL ".join(
    f"""SELECT * FROM {table} WHERE key BETWEEN
    coalesce((SELECT max(key) FROM {table} WHERE key BETWEEN :first AND :after), :after) AND :last"""  # noqa: S608
    for table in ("talk", "comings")
)
_AFTER += " ORDER BY key"

_NEWEST_FIRST = "SELECT * FROM talk WHERE key BETWEEN ? AND ? ORDER BY key DESC"

_SEARCH = "SELECT * FROM talk WHERE key BETWEEN ? AND ? AND kind IN ('said', 'did') AND {} ORDER BY key DESC"


def read(connection: sqlite3.Connection, room: int, after: int, most_bytes: int) -> list[Event]:
    """See RoomHistory.read."""
    base = room << NUMBER_BITS
    parameters = {"first": base, "after": base + after, "last": base + MAX_NUMBER}
    with closing(connection.execute(_AFTER, parameters)) as rows:
        return first_events(_events(rows, base), after, most_bytes)


def tail(connection: sqlite3.Connection, room: int, lines: int) -> list[Event]:
    """See RoomHistory.tail."""
    base = room << NUMBER_BITS
    with closing(connection.execute(_NEWEST_FIRST, (base, base + MAX_NUMBER))) as rows:
        return last_lines(_events(rows, base), lines)


def search(
    connection: sqlite3.Connection, room: int, words: Sequence[str], before: int | None, most: int
) -> list[Found]:
    """See RoomHistory.search. Every line is looked at: a million in 0.2 s, or 0.7 s if a word is not ASCII."""
    base = room << NUMBER_BITS
    matcher = Matcher(words)
    condition, parameters = matcher.sql("text")
    end = base + (MAX_NUMBER if before is None else before - 1)
    found: list[Found] = []
    with closing(connection.execute(_SEARCH.format(condition), (base, end, *parameters))) as rows:
        for event in _events(rows, base):
            found += matching_lines(event, matcher, before)
            if len(found) >= most:
                break
    return found[:most]


def oldest(connection: sqlite3.Connection, room: int, table: str, most: int) -> list[tuple[int, int, int]]:
    """Return the last number, the count of lines and the time of the oldest events of a *table*."""
    base = room << NUMBER_BITS
    return connection.execute(
        f"SELECT key + size - 1 - ?, size, at FROM {table} WHERE key BETWEEN ? AND ? ORDER BY key LIMIT ?",  # noqa: S608
        (base, base, base + MAX_NUMBER, most),
    ).fetchall()


def _events(rows: sqlite3.Cursor, base: int) -> Iterator[Event]:
    for key, size, kind, at, name, text in rows:
        yield Event(_KINDS[kind], key - base, size, at, name, text)
