"""What a daemon would do with a history is said without touching it."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from tests import root
from tests.fakes import recording_log
from tests.history.places import fill, locked, overwrite_pages, small_disk
from tests.history.talk import Talk
from threadchat.history import schema
from threadchat.history.checking import describe
from threadchat.history.sqlite import SqliteHistory


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A directory with a history of three lines."""
    history = SqliteHistory(tmp_path / "state", recording_log()[0])
    talk = Talk(history.room("lobby"))
    talk.says("1", "2")
    talk.says("x" * 100_000)
    history.close()
    return tmp_path / "state"


def snapshot(directory: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in directory.iterdir()}


def only(sentences: list[str]) -> str:
    (sentence,) = sentences
    return sentence


def test_a_sound_one_is_counted_and_left_as_it_is(state: Path) -> None:
    before = snapshot(state)
    assert only(describe(state)).endswith("history.db is sound: it has 3 lines of 1 rooms")
    assert snapshot(state) == before


def test_one_that_does_not_exist_would_be_made(tmp_path: Path) -> None:
    assert only(describe(tmp_path / "a" / "b")).endswith("does not exist: it would be made")
    assert only(describe(tmp_path)).endswith("has no history: it would be made")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "history.db").touch()
    assert only(describe(tmp_path)).endswith("is empty: it would be made anew")


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "is no directory" in only(describe(tmp_path / "file"))


def test_an_older_one_would_be_brought_up_to_date(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "MIGRATIONS", [*schema.MIGRATIONS, lambda database: None])
    assert only(describe(state)).endswith("has version 1: it would become version 2")


def test_a_newer_one_would_be_refused(state: Path) -> None:
    with contextlib.closing(sqlite3.connect(state / "history.db")) as database:
        database.execute("PRAGMA user_version = 99")
    assert "would be refused: a newer threadchat" in only(describe(state))


@pytest.mark.parametrize("damage", ["overwritten", "no database"])
def test_a_damaged_one_would_be_set_aside(state: Path, damage: str) -> None:
    if damage == "overwritten":
        overwrite_pages(state / "history.db")
    else:
        (state / "history.db").write_text("Dear diary, " * 1000)
    before = snapshot(state)
    assert "is damaged: it would be set aside" in only(describe(state))
    assert snapshot(state) == before


def test_one_in_use_is_read_all_the_same(state: Path) -> None:
    history = SqliteHistory(state, recording_log()[0])
    Talk(history.room("lobby")).says("4")
    in_use, sound = describe(state)
    assert in_use.endswith("is in use by a running threadchat: a second one would be refused")
    assert sound.endswith("it has 4 lines of 1 rooms")
    with locked(state / "history.db"):
        assert len(describe(state)) == 2
    history.close()


def test_a_full_disk_is_noticed(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        fill(disk)
        made, full = describe(disk / "state")
        assert made.endswith("it would be made")
        assert full.endswith("is on a disk that is full: nothing could be kept until there is space")


def test_a_directory_that_may_not_be_used_is_noticed(state: Path) -> None:
    root.refuse("root may write everywhere")
    state.chmod(0o500)
    assert describe(state)[-1].endswith("may not be written to: no history could be kept")
    state.chmod(0o000)
    assert "permission denied" in only(describe(state))
    state.chmod(0o700)
