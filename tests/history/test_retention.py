"""Trimming is done in small steps, with rests in between."""

from __future__ import annotations

from tests.fakes import FakeClock
from tests.history.talk import NOW
from threadchat.history.retention import Retention
from threadchat.history.selecting import Bounds


class FakeRoom:
    """A room of single lines, numbered from 1; *at* is when the first was said, each of the others a second later."""

    def __init__(self, talk: int, comings: int = 0, at: int = NOW) -> None:
        self.lines = {"talk": talk, "comings": comings}
        self.forgotten = {"talk": 0, "comings": 0}
        self.steps: list[int] = []
        self.asked = 0
        self._at = at

    def oldest(self, table: str, most: int) -> list[tuple[int, int, int]]:
        self.asked += 1
        first = self.forgotten[table]
        return [(first + n + 1, 1, self._at + (first + n) * 1000) for n in range(min(most, self.lines[table]))]

    def trim(self, table: str, newest: int, lines: int) -> None:
        assert newest == self.forgotten[table] + lines
        self.forgotten[table] += lines
        self.lines[table] -= lines
        self.steps.append(lines)


def no_rest(seconds: float) -> bool:
    return False


def test_each_table_has_its_bound() -> None:
    room = FakeRoom(talk=1000, comings=500)
    Retention(Bounds(lines=100, comings=50), FakeClock()).trim([room], no_rest)
    assert room.lines == {"talk": 100, "comings": 50}


def test_a_room_within_its_bounds_is_not_even_asked() -> None:
    """There may be thousands, every second."""
    room = FakeRoom(talk=100, comings=50)
    Retention(Bounds(lines=100, comings=50), FakeClock()).trim([room], no_rest)
    assert room.asked == 0


def test_steps_are_small_and_it_rests_after_each() -> None:
    room = FakeRoom(talk=100_000)
    rests: list[float] = []

    def rest(seconds: float) -> None:
        rests.append(seconds)

    Retention(Bounds(lines=0), FakeClock()).trim([room], rest)
    assert max(room.steps) <= 1000
    assert len(rests) == len(room.steps)
    assert all(rests)


def test_it_can_be_ended_between_two_steps() -> None:
    room = FakeRoom(talk=100_000)
    Retention(Bounds(lines=0), FakeClock()).trim([room], lambda seconds: True)
    assert len(room.steps) == 1


def test_ages_are_looked_at_now_and_then() -> None:
    clock = FakeClock(NOW / 1000 + 30)
    room = FakeRoom(talk=100, comings=100)
    retention = Retention(Bounds(lines=1000, age=20.0), clock)
    retention.trim([room], no_rest)
    assert room.lines == {"talk": 90, "comings": 90}
    asked = room.asked
    clock.advance(1)
    retention.trim([room], no_rest)
    assert room.asked == asked
    clock.advance(1)
    retention.trim([room], no_rest)
    assert room.lines == {"talk": 88, "comings": 88}


def test_a_clock_that_is_set_back_does_not_stop_it() -> None:
    clock = FakeClock(NOW / 1000 + 1_000_000)
    retention = Retention(Bounds(age=20.0), clock)
    retention.trim([], no_rest)
    clock.now = NOW / 1000 + 30
    room = FakeRoom(talk=100)
    retention.trim([room], no_rest)
    assert room.lines["talk"] == 90
