"""There is a database to use, or a sentence that says why there is none."""

from __future__ import annotations

import errno
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.fakes import recording_log
from tests.history.talk import NOW
from threadchat.base.errors import ConfigError, HistoryError
from threadchat.chat.events import Event, Kind
from threadchat.history import store as module
from threadchat.history.database import Database, Kept
from threadchat.history.store import Store


class Rooms:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[list[Kept]] = []

    def adopt(self, kept: Sequence[Kept]) -> None:
        self.told.append(list(kept))


@pytest.fixture
def rooms() -> Rooms:
    return Rooms()


@pytest.fixture
def store(tmp_path: Path, rooms: Rooms) -> Iterator[Store]:
    store = Store(tmp_path, "process", recording_log()[0])
    store.open(rooms.adopt)
    yield store
    store.close()


def keep(store: Store, number: int) -> None:
    with store.writing:
        store.write(
            lambda database: database.keep("lobby", [Event(Kind.SAID, number, 1, NOW, "alice", "hi")], [], None, [])
        )


def fail(code: int) -> None:
    error = sqlite3.OperationalError("of the test")
    error.sqlite_errorcode = code
    raise error


def count(database: Database, connection: sqlite3.Connection) -> int:
    (number,) = connection.execute("SELECT count(*) FROM talk").fetchone()
    return int(number)


def test_before_it_is_open_and_after_it_is_closed_it_is_of_no_use(tmp_path: Path, rooms: Rooms) -> None:
    store = Store(tmp_path, "process", recording_log()[0])
    with pytest.raises(HistoryError, match="not open"):
        store.read(count)
    store.open(rooms.adopt)
    store.close()
    with pytest.raises(HistoryError, match="it is closed"):
        keep(store, 1)


def test_rooms_are_told_what_is_known_of_them(store: Store, rooms: Rooms) -> None:
    keep(store, 1)
    store.close()
    store.open(rooms.adopt)
    assert rooms.told == [[], [Kept("lobby", "", 0, 1, 1, 0, ())]]


def test_a_problem_is_over_with_the_next_write(store: Store) -> None:
    with store.writing, pytest.raises(HistoryError, match="the disk is full"):
        store.write(lambda database: fail(sqlite3.SQLITE_FULL))
    assert store.problem == "the disk is full"
    keep(store, 1)
    assert store.problem == ""


def test_only_the_first_waits_for_a_lock(store: Store) -> None:
    """Everybody else is refused at once, until it works again."""

    def patience() -> int:
        (milliseconds,) = store.database.writer.execute("PRAGMA busy_timeout").fetchone()
        return int(milliseconds)

    assert 0 < patience() < 10
    with store.writing, pytest.raises(HistoryError, match="locked"):
        store.write(lambda database: fail(sqlite3.SQLITE_BUSY))
    assert patience() == 0
    keep(store, 1)
    assert 0 < patience() < 10


def test_what_is_well_is_not_opened_again(store: Store, rooms: Rooms) -> None:
    before = store.database
    store.mend(rooms.adopt)
    assert store.database is before


@pytest.mark.parametrize("code", [sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN])
def test_what_may_be_stuck_is_opened_again(store: Store, rooms: Rooms, code: int) -> None:
    keep(store, 1)
    before = store.database
    with store.writing, pytest.raises(HistoryError):
        store.write(lambda database: fail(code))
    store.mend(rooms.adopt)
    assert store.database is not before
    assert store.read(count) == 1


@pytest.mark.parametrize("error", [KeyError("shouted"), TypeError("None"), sqlite3.SQLITE_CORRUPT])
def test_what_is_damaged_is_set_aside(store: Store, rooms: Rooms, tmp_path: Path, error: Exception | int) -> None:
    """Also when a reader meets what nobody has written."""
    keep(store, 1)

    def meets(database: Database, connection: sqlite3.Connection) -> None:
        if isinstance(error, int):
            fail(error)
        else:
            raise error

    with pytest.raises(HistoryError, match="damaged"):
        store.read(meets)
    store.mend(rooms.adopt)
    assert store.read(count) == 0
    assert len(list(tmp_path.glob("history.damaged-*.db"))) == 1


def test_a_reader_that_is_interrupted_by_the_end_is_no_problem(store: Store) -> None:
    reading = threading.Event()
    ends: list[str] = []

    def reads() -> None:
        def for_ever(database: Database, connection: sqlite3.Connection) -> None:
            reading.set()
            connection.execute("WITH RECURSIVE n AS (SELECT 1 UNION ALL SELECT 1 FROM n) SELECT sum(1) FROM n")

        try:
            store.read(for_ever)
        except HistoryError as error:
            ends.append(str(error))

    reader = threading.Thread(target=reads)
    reader.start()
    reading.wait()
    store.close()
    reader.join()
    assert len(ends) == 1
    assert ends[0].endswith("it is closed")


@pytest.mark.parametrize(("number", "kind"), [(errno.ENOSPC, HistoryError), (errno.EACCES, ConfigError)])
def test_what_passes_by_itself_is_no_mistake_of_anybodys(
    tmp_path: Path, rooms: Rooms, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[Exception]
) -> None:
    def cannot(path: Path) -> None:
        raise OSError(number, "Of The Test")

    store = Store(tmp_path, "process", recording_log()[0])
    monkeypatch.setattr(module, "Numbers", cannot)
    with pytest.raises(kind, match="of the test"):
        store.open(rooms.adopt)
    monkeypatch.undo()
    store.mend(rooms.adopt)
    assert store.read(count) == 0
    store.close()


def test_numbers_are_used_while_there_is_no_database(store: Store, rooms: Rooms, tmp_path: Path) -> None:
    (tmp_path / "history.db").unlink()
    (tmp_path / "history.db").mkdir()
    store.mend(rooms.adopt)
    with pytest.raises(HistoryError):
        keep(store, 1)
    assert store.numbers is not None
    store.numbers.use(b"d" * 16, 7)
    (tmp_path / "history.db").rmdir()
    store.mend(rooms.adopt)
    keep(store, 1)
    assert store.numbers.last(b"d" * 16) == 7
