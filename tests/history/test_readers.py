"""A few connections are enough for many readers."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from threadchat.history.readers import MOST, Readers


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a b%20c?.db"  # whatever a directory may be called
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE x (y)")
    return path


@pytest.fixture
def readers(path: Path) -> Iterator[Readers]:
    readers = Readers(path)
    yield readers
    readers.close()


def test_nobody_writes(readers: Readers) -> None:
    with readers.connection() as connection, pytest.raises(sqlite3.OperationalError, match="readonly"):
        connection.execute("INSERT INTO x VALUES (1)")


def test_a_connection_is_used_again(readers: Readers) -> None:
    with readers.connection() as first:
        pass
    with readers.connection() as second:
        assert second is first


def test_whoever_finds_none_waits_for_one(readers: Readers) -> None:
    with contextlib.ExitStack() as others:
        lent = [others.enter_context(readers.connection()) for _ in range(MOST - 1)]
        with readers.connection() as last:
            got: list[sqlite3.Connection] = []

            def reads() -> None:
                with readers.connection() as connection:
                    got.append(connection)

            reader = threading.Thread(target=reads)
            reader.start()
            assert not got
        reader.join()
        assert got == [last]
        assert last not in lent


def test_closing_interrupts_whoever_reads_and_turns_away_whoever_waits(readers: Readers) -> None:
    ends: list[str] = []

    def reads_for_ever() -> None:
        try:
            with readers.connection() as connection:
                reading.release()
                connection.execute("WITH RECURSIVE n AS (SELECT 1 UNION ALL SELECT 1 FROM n) SELECT sum(1) FROM n")
        except sqlite3.OperationalError as error:
            ends.append(str(error))

    reading = threading.Semaphore(0)
    threads = [threading.Thread(target=reads_for_ever) for _ in range(MOST + 2)]
    for thread in threads:
        thread.start()
    for _ in range(MOST):
        reading.acquire()
    readers.close()
    for thread in threads:
        thread.join()
    assert sorted(ends) == ["interrupted"] * MOST + ["it has been closed"] * 2


def test_a_database_that_is_gone_is_an_error_and_nobody_waits(path: Path, readers: Readers) -> None:
    path.unlink()
    for _ in range(2 * MOST):
        with pytest.raises(sqlite3.OperationalError), readers.connection():
            pass
