"""What the database is asked needs no more than what it is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.history.talk import NOW, texts
from threadchat.chat.events import Event, Kind
from threadchat.history import queries
from threadchat.history.database import Database


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A room in the middle, with talk and comings, and two more around it."""
    database = Database(tmp_path / "history.db")
    for room in ("before", "lobby", "after"):
        talk = [Event(Kind.SAID, number, 2, NOW, "alice", f"{room} {number}\nTea") for number in range(1, 60, 3)]
        comings = [Event(Kind.JOINED, number, 1, NOW, "", "bob") for number in range(3, 60, 3)]
        database.keep(room, talk, comings, None, [])
    yield database
    database.close()


def test_kinds_of_events_are_read_in_one_order(database: Database) -> None:
    events = queries.read(database.writer, database.ids["lobby"], 0, 100_000)
    assert [event.number for event in events] == [n for n in range(1, 60) if n % 3 != 2]


def test_rooms_end_where_the_next_begins(database: Database) -> None:
    lobby = database.ids["lobby"]
    assert queries.read(database.writer, lobby, 60, 1000) == []
    assert len(texts(queries.tail(database.writer, lobby, 1000))) == 40
    assert {found.text[:5] for found in queries.search(database.writer, lobby, [" "], None, 1000)} == {"lobby"}
    assert queries.oldest(database.writer, lobby, "talk", 2) == [(2, 2, NOW), (5, 2, NOW)]
    assert len(queries.oldest(database.writer, lobby, "comings", 1000)) == 19


@pytest.mark.parametrize("query", [queries._AFTER, queries._NEWEST_FIRST, queries._SEARCH.format("TRUE")])
def test_nothing_is_sorted_nor_read_from_the_beginning(database: Database, query: str) -> None:
    """Rows come in the order of their keys, so that reading can stop."""
    parameters = {"first": 0, "after": 1, "last": 2} if ":first" in query else (0, 1)
    plan = database.writer.execute(f"EXPLAIN QUERY PLAN {query}", parameters).fetchall()
    steps = [step for *_, step in plan]
    assert any("SEARCH talk USING INTEGER PRIMARY KEY" in step for step in steps)
    assert not [step for step in steps if "TEMP B-TREE" in step or "SCAN" in step]


def test_a_query_that_is_done_holds_on_to_nothing(database: Database) -> None:
    """An open cursor would keep the log from beginning anew."""
    queries.read(database.writer, database.ids["lobby"], 0, 1)
    queries.tail(database.writer, database.ids["lobby"], 1)
    queries.search(database.writer, database.ids["lobby"], ["tea"], None, 1)
    with database.readers.connection() as reader:
        queries.read(reader, database.ids["lobby"], 0, 1)
    database.keep("lobby", [Event(Kind.SAID, 61, 1, NOW, "alice", "hi")], [], None, [])
    assert database.writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() == (0, 0, 0)
