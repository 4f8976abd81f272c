"""
History in memory: the last lines of each room. It ends with the process.

All rooms also share one bound in bytes. When they exceed it, the largest room loses its oldest quarter. So a flood in
one room pushes out what was said there, not what was said elsewhere.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Sequence
from heapq import merge
from itertools import islice
from typing import Any

from threadchat.chat.events import TALK, Event, Kind
from threadchat.chat.history import Found, Gap
from threadchat.history.holes import Holes
from threadchat.history.matching import Matcher
from threadchat.history.selecting import Bounds, first_events, last_lines, matching_lines

#: How much an event takes besides its text, in bytes.
_EVENT_BYTES = 250

_ONLY_SAID = {Kind.SAID}


class MemoryHistory:
    """The histories of all rooms. *most_bytes* is what all of them may take together, *clock* gives Unix time."""

    def __init__(
        self,
        bounds: Bounds = Bounds(),  # noqa: B008, a value
        most_bytes: int = 32 << 20,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.bounds = bounds
        self.clock = clock
        self.lock = threading.Lock()  # guards all rooms
        self._most_bytes = most_bytes
        self._bytes = 0
        self._rooms: dict[str, MemoryRoom] = {}

    def rooms(self) -> list[str]:
        """Return the names of the rooms where something was said that is kept, or that have a topic."""
        with self.lock:
            return [name for name, room in self._rooms.items() if room.is_known()]

    def room(self, name: str) -> MemoryRoom:
        """Return the history of the room called *name*."""
        with self.lock:
            return self._rooms.setdefault(name, MemoryRoom(self))

    def start(self) -> None:
        """Do nothing: there is nothing to do in the background."""

    def close(self) -> None:
        """Do nothing: nothing runs, and nothing outlives the process."""

    def state(self) -> list[Any]:
        """Return everything, in values that JSON has."""
        with self.lock:
            return [[name, room.state()] for name, room in self._rooms.items()]

    def restore(self, state: list[Any]) -> None:
        """Take over the *state* of a predecessor."""
        for name, room in state:
            self.room(name).restore(*room)

    def grow(self, size: int) -> None:
        """Account for *size* more bytes; it may be negative. Caller holds the lock."""
        self._bytes += size
        while self._bytes > self._most_bytes:
            largest = max(self._rooms.values(), key=lambda room: room.bytes)
            self._bytes -= largest.drop_quarter()


class MemoryRoom:
    """The history of one room."""

    def __init__(self, history: MemoryHistory) -> None:
        self._history = history
        self._talk: deque[Event] = deque()
        self._comings: deque[Event] = deque()
        self._talk_lines = 0
        self._coming_lines = 0
        self._last = 0
        self._topic = ""
        self._trimmed = 0  # the number of the newest line of talk that was forgotten
        self._gaps = Holes()
        self.bytes = 0

    @property
    def last(self) -> int:
        """The highest number that was ever used."""
        return self._last

    @property
    def topic(self) -> str:
        """The line of the last event of kind topic."""
        return self._topic

    def append(self, events: Sequence[Event]) -> None:
        """Keep *events*."""
        bounds = self._history.bounds
        with self._history.lock:
            if {event[0] for event in events} == _ONLY_SAID:  # mostly; for all of them at once
                self._talk.extend(events)
                self._talk_lines += sum([event[2] for event in events])
            else:
                for event in events:
                    self._sort(event)
            size = _EVENT_BYTES * len(events) + sum([len(event[5]) for event in events])
            self._last = events[-1].last
            self.bytes += size
            over = self._talk_lines - bounds.lines
            while self._talk and self._talk[0][2] <= over:
                over -= self._talk[0][2]
                size -= self._drop_talk()
            while self._comings and self._coming_lines - self._comings[0].size >= bounds.comings:
                size -= self._drop_coming()
            if bounds.age:
                size -= self._drop_old()
            self._history.grow(size)

    def note_lost(self, gap: Gap) -> None:
        """Note that the lines of *gap* are missing."""
        with self._history.lock:
            self._gaps = self._holes.with_gap(gap)
            self._last = max(self._last, gap.last)

    def read(self, after: int, most_bytes: int) -> list[Event]:
        """Return the first events with numbers over *after*."""
        with self._history.lock:
            self._forget_old()
            rest = [_over(after, events) for events in (self._talk, self._comings)]
        return first_events(merge(*rest, key=lambda event: event.number), after, most_bytes)

    def tail(self, lines: int) -> list[Event]:
        """Return the last *lines* lines of talk."""
        with self._history.lock:
            self._forget_old()
            return last_lines(reversed(self._talk), lines)

    def gaps(self, after: int, upto: int) -> list[Gap]:
        """Return where talk is missing."""
        return self._holes.between(after, upto)

    def search(self, words: Sequence[str], before: int | None, most: int) -> list[Found]:
        """Return lines that have all *words*."""
        matcher = Matcher(words)
        found: list[Found] = []
        with self._history.lock:
            self._forget_old()
            talk = list(self._talk)
        for event in reversed(talk):
            if len(found) >= most:
                break
            found += matching_lines(event, matcher, before)
        return found[:most]

    def state(self) -> list[Any]:
        """Return everything: the last number, the topic, the holes, the events. Caller holds the lock."""
        events = merge(self._talk, self._comings, key=lambda event: event.number)
        return [self._last, self._topic, self._trimmed, self._holes.gaps, list(events)]

    def restore(self, last: int, topic: str, trimmed: int, gaps: list[list[int]], events: list[list[Any]]) -> None:
        """Take over the state of the same room in a predecessor."""
        for kind, *rest in events:
            self.append([Event(Kind(kind), *rest)])
        with self._history.lock:
            self._last, self._topic = last, topic
            self._trimmed, self._gaps = trimmed, Holes(trimmed, tuple(Gap(*gap) for gap in gaps))

    def is_known(self) -> bool:
        """Whether talk or a topic of this room is kept. Caller holds the lock."""
        self._forget_old()
        return bool(self._talk or self._topic)

    def drop_quarter(self) -> int:
        """Forget the oldest quarter, or one event at least; return how many bytes that were. Caller holds the lock."""
        dropped = 0
        upto = self.bytes * 3 // 4
        while self.bytes > upto:
            oldest_is_talk = self._talk and not (self._comings and self._comings[0].number < self._talk[0].number)
            dropped += self._drop_talk() if oldest_is_talk else self._drop_coming()
        return dropped

    @property
    def _holes(self) -> Holes:
        """Return where talk is missing."""
        return self._gaps.without_talk_up_to(self._trimmed)

    def _sort(self, event: Event) -> None:
        """Put *event* with the talk, or with the comings and goings. Caller holds the lock."""
        if event.kind in TALK:
            self._talk.append(event)
            self._talk_lines += event.size
            if event.kind is Kind.TOPIC:
                self._topic = event.text
        else:
            self._comings.append(event)
            self._coming_lines += event.size

    def _forget_old(self) -> None:
        """Forget what is over its age. Caller holds the lock."""
        if self._history.bounds.age:
            self._history.grow(-self._drop_old())

    def _drop_old(self) -> int:
        oldest = (self._history.clock() - self._history.bounds.age) * 1000
        dropped = 0
        while self._talk and self._talk[0].at < oldest:
            dropped += self._drop_talk()
        while self._comings and self._comings[0].at < oldest:
            dropped += self._drop_coming()
        return dropped

    def _drop_talk(self) -> int:
        _, number, size, _, _, text = self._talk.popleft()
        self._talk_lines -= size
        self._trimmed = number + size - 1
        self.bytes -= (freed := _EVENT_BYTES + len(text))
        return freed

    def _drop_coming(self) -> int:
        event = self._comings.popleft()
        self._coming_lines -= event.size
        return self._account(event)

    def _account(self, event: Event) -> int:
        size = _EVENT_BYTES + len(event.text)
        self.bytes -= size
        return size


def _over(after: int, events: deque[Event]) -> list[Event]:
    """Return the events with lines over *after*. It is cheap if they are few: a deque is read from its ends."""
    count = len(events) - bisect_right(events, after, key=lambda event: event.last)
    return list(islice(reversed(events), count))[::-1]
