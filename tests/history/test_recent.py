"""The last lines of a room are known without asking the database, or it is said that they are not."""

from __future__ import annotations

from tests.history.talk import NOW, texts
from threadchat.chat.events import Event, Kind
from threadchat.history.recent import LINES, Recent


def said(number: int, text: str = "") -> Event:
    return Event(Kind.SAID, number, 1, NOW, "alice", text or f"{number}")


def tail(recent: Recent, lines: int) -> list[str] | None:
    events = recent.tail(lines)
    return None if events is None else texts(events)


def test_of_a_new_room_everything_is_known() -> None:
    recent = Recent(is_all=True)
    assert tail(recent, 20) == []
    recent.add([said(1), said(2)])
    assert tail(recent, 20) == ["1", "2"]
    assert tail(recent, 1) == ["2"]


def test_of_an_old_room_only_what_was_seen() -> None:
    recent = Recent(is_all=False)
    assert tail(recent, 1) is None
    recent.add([said(7)])
    assert tail(recent, 1) == ["7"]
    assert tail(recent, 2) is None


def test_what_the_database_says_is_remembered() -> None:
    recent = Recent(is_all=False)
    recent.fill([said(1), said(2)], True, recent.version)
    assert tail(recent, 20) == ["1", "2"]
    recent.add([said(3)])
    assert tail(recent, 20) == ["1", "2", "3"]


def test_but_not_if_something_was_said_meanwhile() -> None:
    """It would be missing."""
    recent = Recent(is_all=False)
    version = recent.version
    recent.add([said(3)])
    recent.fill([said(1), said(2)], True, version)
    assert tail(recent, 1) == ["3"]
    assert tail(recent, 2) is None


def test_many_lines_and_long_ones_are_not_remembered() -> None:
    recent = Recent(is_all=True)
    recent.add([said(number) for number in range(1, 2 * LINES + 1)])
    assert tail(recent, LINES) == [f"{number}" for number in range(LINES + 1, 2 * LINES + 1)]
    assert tail(recent, LINES + 1) is None
    recent.add([said(2 * LINES + 1, "x" * 100_000)])
    assert tail(recent, 1) is None


def test_what_is_trimmed_is_forgotten() -> None:
    recent = Recent(is_all=True)
    recent.add([said(1), said(2), said(3)])
    recent.forget(2)
    assert tail(recent, 20) == ["3"]
