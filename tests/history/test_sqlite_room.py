"""What a room needs for every line is in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes import recording_log
from tests.history.talk import Talk, texts
from threadchat.base.errors import HistoryError
from threadchat.chat.history import Gap
from threadchat.history.database import Kept
from threadchat.history.numbers import digest_of
from threadchat.history.sqlite_room import SqliteRoom
from threadchat.history.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path, "process", recording_log()[0])
    store.open(lambda kept: None)
    yield store
    store.close()


@pytest.fixture
def talk(store: Store) -> Talk:
    return Talk(SqliteRoom("lobby", store))


def unreadable(*arguments: object) -> None:
    raise AssertionError("the database was asked")


def test_newcomers_do_not_make_it_read(talk: Talk, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even the first one after a restart twice."""
    for number in range(30):
        talk.says(f"{number}")
    again = SqliteRoom("lobby", store)
    again.adopt(Kept("lobby", "", 0, 30, 30, 0, ()))
    first = again.tail(20)
    assert texts(first) == [f"{number}" for number in range(10, 30)]
    monkeypatch.setattr(store, "read", unreadable)
    assert talk.room.tail(20) == again.tail(20) == first
    assert again.gaps(0, 30) == []


def test_a_new_room_has_nothing_to_ask_for(talk: Talk, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "read", unreadable)
    assert talk.room.tail(20) == []


def test_what_a_database_does_not_know_is_a_gap(store: Store) -> None:
    """The numbers say that there was something."""
    assert store.numbers is not None
    store.numbers.use(digest_of("lobby"), 7)
    room = SqliteRoom("lobby", store)
    assert (room.last, room.gaps(0, 7)) == (7, [Gap(1, 7)])
    room.adopt(Kept("lobby", "Tea", 2, 5, 3, 0, ()))
    assert (room.last, room.gaps(0, 7), room.topic) == (7, [Gap(1, 2), Gap(6, 7)], "Tea")
    room.adopt(Kept("lobby", "", 0, 9, 9, 0, (Gap(3, 4),)))
    assert (room.last, room.gaps(0, 9)) == (9, [Gap(3, 4)])
    assert store.numbers.last(digest_of("lobby")) == 9


def test_a_gap_is_written_with_the_next_line(talk: Talk, store: Store) -> None:
    talk.says("1")
    gap = talk.loses(2)
    assert store.database.rooms()[0].gaps == ()
    talk.says("4")
    assert store.database.rooms()[0].gaps == (gap,)
    talk.says("5")


def test_what_fails_changes_nothing(talk: Talk, store: Store) -> None:
    talk.says("1")
    store.close()
    with pytest.raises(HistoryError):
        talk.says("2")
    assert (talk.room.last, texts(talk.room.tail(20))) == (1, ["1"])
    assert isinstance(talk.room, SqliteRoom)
    assert talk.room.lines == {"talk": 1, "comings": 0}


def test_what_is_trimmed_is_no_newcomers_business(talk: Talk) -> None:
    talk.says("1")
    talk.says("2")
    assert isinstance(talk.room, SqliteRoom)
    talk.room.trim("talk", 1, 1)
    assert texts(talk.room.tail(20)) == ["2"]
    assert talk.room.gaps(0, 2) == [Gap(1, 1)]
    assert talk.room.lines["talk"] == 1
