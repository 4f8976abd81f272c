"""History in memory."""

from __future__ import annotations

import pytest

from tests.fakes import FakeClock
from tests.history.contract import HistoryContract
from tests.history.model import Machine
from tests.history.talk import Talk, texts
from threadchat.chat.history import Gap, History
from threadchat.history.memory import MemoryHistory
from threadchat.history.selecting import Bounds


class TestMemory(HistoryContract):
    @pytest.fixture
    def history(self, bounds: Bounds, clock: FakeClock) -> History:
        return MemoryHistory(bounds, clock=clock)


class MemoryMachine(Machine):
    def __init__(self) -> None:
        super().__init__(MemoryHistory(self.BOUNDS))

    def after_append(self) -> None:
        self.model.trim()


TestModel = MemoryMachine.TestCase


def test_over_the_bound_in_bytes_the_largest_room_is_the_one_that_forgets() -> None:
    """Who floods a room does not push out what was said elsewhere."""
    history = MemoryHistory(Bounds(lines=1000), most_bytes=100_000)
    quiet, noisy = Talk(history.room("quiet")), Talk(history.room("noisy"))
    quiet.says("a secret")
    for number in range(500):
        noisy.says(f"{number} " + "x" * 1000)
    assert texts(quiet.room.tail(20)) == ["a secret"]
    kept = noisy.room.read(0, 1_000_000)
    assert 40 < len(kept) < 100
    assert noisy.room.gaps(0, 500) == [Gap(1, 500 - len(kept))]


def test_one_event_over_the_bound_is_not_kept() -> None:
    history = MemoryHistory(most_bytes=1000)
    talk = Talk(history.room("lobby"))
    talk.says("x" * 2000)
    assert talk.room.gaps(0, 1) == [Gap(1, 1)]
    talk.says("hi")
    assert texts(talk.room.tail(20)) == ["hi"]
    history.close()
