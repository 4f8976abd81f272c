"""
Rooms under everything that may happen to them, against a model of what each reader is to see.

People come, go, change rooms, lag behind, read again and ask for what was said; the history fails and recovers, and
forgets; the program is replaced. Whatever happens, in whatever order: a reader sees every line but its own, once, in
order, or a gap where one was lost, and only there.
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, multiple, precondition, rule

from tests.chat.people import Person, new_hub
from tests.chat.rooms import FailingHistory
from tests.fakes import FakeClock, FakeLater
from threadchat.chat.room import KEEP_AGAIN_SECONDS

_LINES = 8  # of talk are kept in a room
_REPLAY = 3
_ROOMS = ("lobby", "tea")


class Line(NamedTuple):
    """What somebody is to see: a line, or, if it *may be missing* when they come to it, a gap."""

    number: int
    text: str
    may_be_missing: bool


class Reader:
    """The model of one person: where they are, what they are to see, and what of that they cannot take yet."""

    def __init__(self, person: Person, name: str) -> None:
        self.person = person
        self.name = name
        self.room = "lobby"
        self.lags = False
        self.expected: list[Line] = []
        self.unread: list[Line] = []

    def is_to_see(self, lines: list[Line]) -> None:
        """Expect *lines*, now or once they read again."""
        if self.lags:
            self.unread += [line._replace(may_be_missing=True) for line in lines]
        else:
            self.expected += lines

    def reads(self) -> None:
        """Read again."""
        self.lags = False
        self.expected += self.unread
        self.unread = []


class Rooms(RuleBasedStateMachine):
    """A chat, and the model of it."""

    readers = Bundle("readers")

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.later = FakeLater(self.clock)
        self.history = FailingHistory(_LINES)
        self.hub = new_hub(self.clock, self.later, self.history, _REPLAY)
        self.here: list[Reader] = []
        self.said: dict[str, list[Line]] = {room: [] for room in _ROOMS}
        self.numbers = dict.fromkeys(_ROOMS, 0)
        self.names = 0
        self.failed_at = 0.0

    @initialize(target=readers)
    def two_people(self) -> object:
        return multiple(self.comes(), self.comes())

    @rule(target=readers)
    def comes(self) -> Reader:
        self.names += 1
        person, name = Person(self.hub), f"p{self.names}"
        person.says(f"/nick {name}", "/numbers on")
        talk = [line for line in person.hears() if line.startswith("p")]
        assert len(talk) <= _REPLAY
        assert talk == [line.text for line in self.said["lobby"] if line.text in talk]
        self.here.append(reader := Reader(person, name))
        return reader

    @rule(reader=consumes(readers))
    def leaves(self, reader: Reader) -> None:
        reader.person.leaves()
        self.here.remove(reader)

    @rule(reader=readers, count=st.integers(1, 3))
    def says(self, reader: Reader, count: int) -> None:
        texts = [f"{reader.name}-{len(self.said[reader.room])}-{index}" for index in range(count)]
        reader.person.says(*texts)
        last = reader.person.session.room.number
        lines = [Line(last - count + 1 + i, f"{reader.name}: {text}", False) for i, text in enumerate(texts)]
        assert lines[0].number > self.numbers[reader.room], "a number was used twice"
        self.numbers[reader.room] = last
        if not self.history.failing and self.clock.now >= self.failed_at + KEEP_AGAIN_SECONDS:
            assert last not in self.history.lost.get(reader.room, ()), "it works again, but nothing is kept"
        self.said[reader.room] += lines
        for other in self.here:
            if other is not reader and other.room == reader.room:
                other.is_to_see(lines)

    @rule(reader=readers)
    def goes(self, reader: Reader) -> None:
        if not reader.lags:  # what it has not read is of no interest to the model then
            self.look(reader)
            reader.room = next(room for room in _ROOMS if room != reader.room)
            reader.person.says(f"/join {reader.room}")
            reader.person.hears()

    @rule(reader=readers)
    def lags(self, reader: Reader) -> None:
        reader.lags = reader.person.sink.full = True

    @rule(reader=readers)
    def reads(self, reader: Reader) -> None:
        reader.reads()
        reader.person.sink.drains()

    @rule(reader=readers, back=st.integers(0, 12))
    def asks(self, reader: Reader, back: int) -> None:
        """It sees that again, with its own; and nothing of what it has not read of before."""
        if reader.lags or self.look(reader):
            number = max(reader.person.session.room.number - back, 0)
            reader.person.says(f"/since {number}")
            self.later.pass_time(0.0)
            again = [line._replace(may_be_missing=True) for line in self.said[reader.room] if line.number > number]
            reader.unread = []
            reader.is_to_see([Line(0, f"* Everything after #{number}:", False), *again])

    @rule(what=st.sampled_from([set(), {"written"}]))
    def history_works(self, what: set[str]) -> None:
        if self.history.failing:
            self.failed_at = self.clock.now
        self.history.failing = what

    @rule()
    def time_passes(self) -> None:
        for _ in range(3):
            self.later.pass_time(5.0)

    @rule()
    def everybody_is_as_expected(self) -> None:
        self.time_passes()
        for reader in self.here:
            self.look(reader)

    @precondition(lambda self: self.here)
    @rule()
    def program_is_replaced(self) -> None:
        self.everybody_is_as_expected()
        failing, lost, kept = self.history.failing, self.history.lost, json.loads(json.dumps(self.history.state()))
        self.history = FailingHistory(_LINES)
        self.history.restore(kept)
        self.history.failing, self.history.lost = failing, lost
        self.hub = new_hub(self.clock, self.later, self.history, _REPLAY)
        for reader in self.here:
            reader.person.moves_to(self.hub)
        for reader in self.here:
            reader.person.session.resume()

    def look(self, reader: Reader) -> bool:
        """See whether *reader* has seen what it is to see."""
        gone = self.history.lost.get(reader.room, set()) | set(range(self._trimmed(reader.room) + 1))
        seen = reader.person.hears()
        expected, reader.expected = reader.expected, []
        before = 0
        for line in seen:
            if line.startswith("* Everything after #"):
                assert expected.pop(0).text == line
                before = 0
            elif found := re.fullmatch(r"\* #(\d+)(?: to #(\d+))? (?:is|are) missing here: .*", line):
                first, last = int(found[1]), int(found[2] or found[1])
                assert before < first
                assert gone >= set(range(first, last + 1)), "a gap where nothing is missing"
                while expected and first <= expected[0].number <= last:
                    assert expected.pop(0).may_be_missing
                before = last
            elif found := re.fullmatch(r"#(\d+)(?:-(\d+))? (.*)", line):
                assert before < int(found[1]), "twice, or not in order"
                before = int(found[2] or found[1])
                if not found[3].startswith("* "):
                    assert expected, f"{line!r} is not for {reader.name}"
                    assert expected.pop(0)[:2] == (before, found[3])
            else:
                assert re.fullmatch(r"\* What is said here is (not being kept just now|kept again)\.", line), line
        assert not expected, f"{reader.name} misses {expected[0]}"
        return True

    def _trimmed(self, room: str) -> int:
        holes = self.history.room(room)._room._holes
        return int(holes.trimmed)

    def teardown(self) -> None:
        for reader in self.here:
            self.reads(reader)
        self.everybody_is_as_expected()


TestRooms = Rooms.TestCase
TestRooms.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
