"""A history against a model of a few lines: lists of events, and a set of numbers that are lost."""

from __future__ import annotations

from itertools import groupby

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.history.talk import NOW
from threadchat.base.errors import HistoryError
from threadchat.chat.events import TALK, Event, Kind
from threadchat.chat.history import Gap, History, RoomHistory
from threadchat.history.selecting import Bounds

ROOMS = ("lobby", "den")
NAMES = st.sampled_from(ROOMS)
LINES = st.lists(st.sampled_from(["tea", "Tea ü", "cake", "", "%"]), min_size=1, max_size=4)
EVENTS = st.lists(st.tuples(st.sampled_from([*Kind, Kind.SAID, Kind.SAID]), LINES), min_size=1, max_size=3)


class RoomModel:
    """What a room's history should be."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.missing: set[int] = set()
        self.last = 0
        self.trimmed = 0
        self.topic = ""

    def next(self, kinds: list[tuple[Kind, list[str]]]) -> list[Event]:
        """Return events with the next numbers."""
        events, number = [], self.last + 1
        for kind, lines in kinds:
            events.append(Event(kind, number, len(lines), NOW, "alice", "\n".join(lines)))
            number += len(lines)
        return events

    def append(self, events: list[Event]) -> None:
        self.events += events
        self.last = events[-1].last
        self.topic = next((event.text for event in reversed(events) if event.kind is Kind.TOPIC), self.topic)

    def lose(self, gap: Gap) -> None:
        self.missing |= set(range(gap.first, gap.last + 1))
        self.last = gap.last

    def of(self, talk: bool) -> list[Event]:
        return [event for event in self.events if (event.kind in TALK) == talk]

    def trim(self, bounds: Bounds) -> None:
        for talk, most in ((True, bounds.lines), (False, bounds.comings)):
            while (events := self.of(talk)) and sum(event.size for event in events[1:]) >= most:
                self.events.remove(events[0])
                if talk:
                    self.trimmed = events[0].last

    def gaps(self, after: int, upto: int) -> list[Gap]:
        numbers = [n for n in range(after + 1, upto + 1) if n <= self.trimmed or n in self.missing]
        runs = [list(run) for _, run in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0])]
        return [Gap(run[0][1], run[-1][1]) for run in runs]


class Model:
    """What the histories of all rooms should be."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self.rooms = {name: RoomModel() for name in ROOMS}

    def trim(self) -> None:
        for room in self.rooms.values():
            room.trim(self._bounds)


class Machine(RuleBasedStateMachine):
    """Derive from it for each kind of history."""

    BOUNDS = Bounds(lines=8, comings=4)

    def __init__(self, history: History) -> None:
        super().__init__()
        self.history = history
        self.model = Model(self.BOUNDS)
        self.fails = False

    def after_append(self) -> None:
        """Do what there may be to do."""

    def teardown(self) -> None:
        self.history.close()

    @rule(name=NAMES, kinds=EVENTS)
    def append(self, name: str, kinds: list[tuple[Kind, list[str]]]) -> None:
        room, model = self.history.room(name), self.model.rooms[name]
        events = model.next(kinds)
        try:
            room.append(events)
        except HistoryError:
            assert self.fails
            gap = Gap(events[0].number, events[-1].last)
            room.note_lost(gap)
            model.lose(gap)
            return
        assert not self.fails
        model.append(events)
        self.after_append()

    @rule(name=NAMES, lines=st.integers(1, 5))
    def lose(self, name: str, lines: int) -> None:
        model = self.model.rooms[name]
        gap = Gap(model.last + 1, model.last + lines)
        self.history.room(name).note_lost(gap)
        model.lose(gap)

    @rule(name=NAMES, after=st.integers(0, 60), most_bytes=st.integers(0, 20))
    def read_to_the_end(self, name: str, after: int, most_bytes: int) -> None:
        room, model = self.history.room(name), self.model.rooms[name]
        found: list[Event] = []
        last = after
        while piece := room.read(last, most_bytes):
            found += piece
            last = piece[-1].last
        assert found == [event.after(after) for event in model.events if event.last > after]

    @rule(name=NAMES, lines=st.integers(0, 12))
    def tail(self, name: str, lines: int) -> None:
        events = self.history.room(name).tail(lines)
        said = [line for event in self.model.rooms[name].of(talk=True) for line in _numbered(event)]
        assert [line for event in events for line in _numbered(event)] == (said[-lines:] if lines else [])

    @rule(name=NAMES, after=st.integers(0, 60), count=st.integers(0, 60))
    def gaps(self, name: str, after: int, count: int) -> None:
        upto = min(after + count, self.model.rooms[name].last)
        assert self.history.room(name).gaps(after, upto) == self.model.rooms[name].gaps(after, upto)

    @rule(
        name=NAMES,
        words=st.lists(st.sampled_from(["te", "EA", "Ü", "%"]), min_size=1, max_size=2),
        before=st.none() | st.integers(1, 60),
        most=st.integers(1, 5),
    )
    def search(self, name: str, words: list[str], before: int | None, most: int) -> None:
        said = [
            (number, line)
            for event in self.model.rooms[name].events
            if event.kind in (Kind.SAID, Kind.DID)
            for number, line in _numbered(event)
            if all(word.lower() in line.lower() for word in words) and (before is None or number < before)
        ]
        found = self.history.room(name).search(words, before, most)
        assert [(line.number, line.text) for line in found] == said[::-1][:most]

    @invariant()
    def numbers_and_topics_are_right(self) -> None:
        for name, model in self.model.rooms.items():
            room: RoomHistory = self.history.room(name)
            assert (room.last, room.topic) == (model.last, model.topic)
        known = {name for name, model in self.model.rooms.items() if model.of(talk=True) or model.topic}
        assert set(self.history.rooms()) == known


def _numbered(event: Event) -> list[tuple[int, str]]:
    return [(event.number + index, line) for index, line in enumerate(event.lines)]
