"""A room without sessions: members who come at once, lag, and read; and a history that fails when it is told to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.chat.people import settings
from tests.fakes import FakeClock, FakeLater, ListSink
from threadchat.base.errors import HistoryError
from threadchat.chat.events import Event, Kind
from threadchat.chat.formats import plain
from threadchat.chat.history import Found, Gap
from threadchat.chat.member import Member
from threadchat.chat.room import Room
from threadchat.history.memory import MemoryHistory, MemoryRoom
from threadchat.history.selecting import Bounds


class FailingRoom:
    """A room's history that can neither be written nor read while its history *fails*."""

    def __init__(self, name: str, room: MemoryRoom, history: FailingHistory) -> None:
        self._name = name
        self._room = room
        self._history = history

    @property
    def last(self) -> int:
        """The highest number."""
        return self._room.last

    @property
    def topic(self) -> str:
        """The topic."""
        return self._room.topic

    def append(self, events: Sequence[Event]) -> None:
        """Keep *events*, or fail."""
        self._history.check("written")
        self._room.append(events)

    def note_lost(self, gap: Gap) -> None:
        """Note a gap: that works always."""
        self._history.lost.setdefault(self._name, set()).update(range(gap.first, gap.last + 1))
        self._room.note_lost(gap)

    def read(self, after: int, most_bytes: int) -> list[Event]:
        """Read, or fail."""
        self._history.check("read")
        return self._room.read(after, most_bytes)

    def tail(self, lines: int) -> list[Event]:
        """Read, or fail."""
        self._history.check("read")
        return self._room.tail(lines)

    def gaps(self, after: int, upto: int) -> list[Gap]:
        """Return the gaps: they are known always."""
        return self._room.gaps(after, upto)

    def search(self, words: Sequence[str], before: int | None, most: int) -> list[Found]:
        """Search, or fail."""
        self._history.check("read")
        return self._room.search(words, before, most)

    def restore(self, *state: Any) -> None:
        """Know what another one knew."""
        self._room.restore(*state)


class FailingHistory(MemoryHistory):
    """A history in memory that cannot be *written*, or *read*, while :attr:`failing` says so."""

    def __init__(self, lines: int = 10_000) -> None:
        super().__init__(Bounds(lines=lines))
        self.failing: set[str] = set()
        self.lost: dict[str, set[int]] = {}  # numbers, by room

    def room(self, name: str) -> Any:
        """Return a room's history that may fail."""
        return FailingRoom(name, super().room(name), self)

    def check(self, what: str) -> None:
        """Raise HistoryError if that fails just now."""
        if what in self.failing:
            raise HistoryError(f"the disk cannot be {what}")


class OneRoom:
    """A room called lobby, with a clock of its own. Lines are seen with their numbers."""

    def __init__(self, lines: int = 10_000, replay: int = 0) -> None:
        self.clock = FakeClock()
        self.later = FakeLater(self.clock)
        self.history = FailingHistory(lines)
        self.room = Room("lobby", self.history.room("lobby"), settings(self.clock, self.later, replay))

    def enters(self, name: str) -> Visitor:
        """Return somebody who has come, and whom everybody knows."""
        visitor = Visitor(name)
        visitor.member.introduced = True
        self.room.admit(visitor.member)
        self.room.enter(visitor.member)
        return visitor

    def says(self, visitor: Visitor, *lines: str) -> None:
        """Have somebody say *lines*."""
        self.room.say(visitor.member, Kind.SAID, lines)

    def leaves(self, visitor: Visitor) -> None:
        """Have somebody go."""
        self.room.fanout.discard(visitor.member)


class Sink(ListSink):
    """A receiver that may have room for a piece, and then none."""

    fills = False

    def answer(self, data: bytes) -> None:
        """Keep *data*."""
        super().answer(data)
        self.full = self.fills


class Visitor:
    """A member and what they see."""

    def __init__(self, name: str) -> None:
        self.sink = Sink()
        self.member = Member(name, self.sink)
        self.member.named = True
        self.member.format = plain(numbers=True)

    def sees(self) -> list[str]:
        """Return the lines that have come since the last call."""
        lines = self.sink.lines
        self.sink.pieces.clear()
        return lines
