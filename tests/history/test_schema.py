"""A database becomes what this version needs, one version at a time, all or nothing."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator

import pytest

from threadchat.history import schema


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        yield connection


def tables(database: sqlite3.Connection) -> set[str]:
    return {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def test_a_new_database_becomes_the_newest_version(database: sqlite3.Connection) -> None:
    assert schema.version(database) == 0
    schema.migrate(database)
    assert schema.version(database) == len(schema.MIGRATIONS)
    assert tables(database) == {"rooms", "talk", "comings", "gaps"}
    schema.migrate(database)  # which changes nothing


def test_versions_follow_one_another(database: sqlite3.Connection) -> None:
    """From whichever one there is."""

    def with_votes(database: sqlite3.Connection) -> None:
        database.execute("CREATE TABLE votes (key INTEGER PRIMARY KEY)")

    schema.migrate(database)
    database.execute("INSERT INTO talk VALUES (1, 1, 'said', 0, 'alice', 'hi')")
    schema.migrate(database, [*schema.MIGRATIONS, with_votes])
    assert "votes" in tables(database)
    assert schema.version(database, [*schema.MIGRATIONS, with_votes]) == len(schema.MIGRATIONS) + 1
    assert database.execute("SELECT text FROM talk").fetchall() == [("hi",)]


def test_a_migration_that_fails_has_done_nothing(database: sqlite3.Connection) -> None:
    def half(database: sqlite3.Connection) -> None:
        database.execute("CREATE TABLE votes (key INTEGER PRIMARY KEY)")
        database.execute("no such statement")

    with pytest.raises(sqlite3.OperationalError):
        schema.migrate(database, [*schema.MIGRATIONS, half])
    assert "votes" not in tables(database)
    assert schema.version(database) == len(schema.MIGRATIONS)
    assert not database.in_transaction


def test_a_newer_one_is_not_for_us(database: sqlite3.Connection) -> None:
    schema.migrate(database, [*schema.MIGRATIONS, lambda database: None])
    with pytest.raises(schema.Unknown, match="version 2; this one knows 1"):
        schema.migrate(database)


@pytest.mark.parametrize("statement", ["CREATE TABLE x (y)", "PRAGMA application_id = 7", "PRAGMA user_version = 1"])
def test_neither_is_another_programs(database: sqlite3.Connection, statement: str) -> None:
    database.execute(statement)
    with pytest.raises(schema.Unknown, match="another program"):
        schema.version(database)


def test_keys_have_room_for_rooms_and_numbers() -> None:
    """SQLite's integers have 64 bits, with a sign."""
    assert (schema.MAX_ROOM << schema.NUMBER_BITS) + schema.MAX_NUMBER < 2**63
