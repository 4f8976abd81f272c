"""One open database: what is kept is there as a whole or not at all."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.history.places import contents, overwrite_pages
from tests.history.talk import NOW
from tests.waiting import until
from threadchat.chat.events import Event, Kind
from threadchat.chat.history import Gap
from threadchat.history import database as module
from threadchat.history.database import Database, Kept, check, log_path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.db"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    database = Database(path)
    yield database
    database.close()


def reread(path: Path) -> list[Kept]:
    """Return what a successor would find."""
    with contextlib.closing(Database(path)) as successor:
        return successor.rooms()


def said(number: int, text: str = "hi", size: int = 1) -> Event:
    return Event(Kind.SAID, number, size, NOW, "alice", text)


def came(number: int) -> Event:
    return Event(Kind.JOINED, number, 1, NOW, "", "bob")


def test_what_is_known_of_rooms_is_read_when_it_is_opened(path: Path, database: Database) -> None:
    database.keep("lobby", [said(1, "1\n2", 2), said(3)], [came(4)], "Tea", [])
    database.keep("lobby", [said(7)], [], None, [Gap(5, 6)])
    database.keep("den", [], [came(1)], None, [])
    assert reread(path) == [
        Kept("lobby", "Tea", 0, 7, 4, 1, (Gap(5, 6),)),
        Kept("den", "", 0, 1, 0, 1, ()),
    ]


def test_what_is_trimmed_is_not_counted_but_its_numbers_are(path: Path, database: Database) -> None:
    database.keep("lobby", [said(1), said(4)], [came(5)], None, [Gap(2, 3)])
    database.trim("lobby", "talk", 4)
    database.trim("lobby", "comings", 5)
    assert reread(path) == [Kept("lobby", "", 4, 5, 0, 0, ())]


def test_a_batch_is_kept_as_a_whole_or_not_at_all(path: Path, database: Database) -> None:
    database.keep("lobby", [said(1)], [], None, [])
    with pytest.raises(sqlite3.IntegrityError):
        database.keep("lobby", [said(2), said(1)], [came(3)], "Tea", [Gap(4, 5)])
    with pytest.raises(sqlite3.IntegrityError):
        database.keep("den", [said(1), said(1)], [], None, [])
    assert reread(path) == [Kept("lobby", "", 0, 1, 1, 0, ())]
    assert "den" not in database.ids


def test_a_gap_that_has_grown_is_one(path: Path, database: Database) -> None:
    database.keep("lobby", [said(1)], [], None, [Gap(2, 3)])
    database.keep("lobby", [said(9)], [], None, [Gap(2, 8)])
    (kept,) = reread(path)
    assert kept.gaps == (Gap(2, 8),)


@pytest.mark.parametrize(("durability", "synchronous"), [("process", 1), ("power", 2)])
def test_durability_is_sqlites(path: Path, durability: module.Durability, synchronous: int) -> None:
    """NORMAL: the log is synchronized when it is emptied. FULL: after every batch."""
    database = Database(path, durability)
    assert database.writer.execute("PRAGMA synchronous").fetchone() == (synchronous,)
    assert database.writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    database.close()


def test_a_large_log_begins_anew(database: Database) -> None:
    """Also while somebody writes all the time."""
    writing = threading.Lock()
    done = threading.Event()

    def writes() -> None:
        number = 1
        while not done.is_set():
            with writing:
                database.keep("lobby", [said(number, "x" * 100_000)], [], None, [])
            number += 1

    sizes = [0]

    def begins_anew() -> bool:
        database.checkpoint(writing)
        sizes.append(database.log_state()[0])
        return sizes[-1] < sizes[-2]

    writer = threading.Thread(target=writes)
    writer.start()
    try:
        until(begins_anew, "the log to begin anew")
    finally:
        done.set()
        writer.join()


def test_closing_leaves_one_file(path: Path) -> None:
    database = Database(path)
    database.keep("lobby", [said(1)], [], None, [])
    with database.readers.connection() as connection:
        connection.execute("SELECT * FROM talk").fetchall()
    database.checkpoint(threading.Lock())
    database.close()
    assert [file.name for file in path.parent.iterdir()] == ["history.db"]
    assert contents(path) == ["hi"]


def test_abandoned_it_leaves_no_log_for_another_database(path: Path) -> None:
    """SQLite would make one of the two."""
    database = Database(path)
    database.keep("lobby", [said(1)], [], None, [])
    assert database.is_in_place()
    path.rename(path.with_name("moved.db"))
    assert not database.is_in_place()
    database.abandon()
    assert not log_path(path).exists()
    assert contents(path.with_name("moved.db")) == ["hi"]


def test_another_databases_log_is_left_alone(path: Path) -> None:
    database = Database(path)
    database.keep("lobby", [said(1)], [], None, [])
    path.unlink()
    log_path(path).unlink()
    log_path(path).write_text("another's")
    database.abandon()
    assert log_path(path).read_text() == "another's"


def test_the_check_finds_damage(path: Path) -> None:
    database = Database(path)
    database.keep("lobby", [said(number, "x" * 1000) for number in range(1, 100)], [], None, [])
    check(database.writer)
    database.close()
    overwrite_pages(path, first=10)
    with pytest.raises(sqlite3.DatabaseError) as problem:
        Database(path)
    assert problem.value.sqlite_errorcode == sqlite3.SQLITE_CORRUPT
