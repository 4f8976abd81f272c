"""
The last lines of a room, at hand for whoever enters: encoded once, however many come at the same time.

Filled by the room's deliverer; any thread may look. Locks guard memory only.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable

from threadchat.chat.events import TALK, Event
from threadchat.chat.formats import Format


class Recent:
    """The last talk, as much as makes *lines* lines, and how far it goes."""

    def __init__(self, lines: int, tail: Iterable[Event], upto: int) -> None:
        self._most = lines
        self._lock = threading.Lock()
        self._events: deque[Event] = deque()
        self._lines = 0
        self._upto = upto
        self._encoded: dict[Format, tuple[int, bytes]] = {}
        self._append(tail)

    def add(self, events: Iterable[Event], upto: int) -> None:
        """Take what has just been kept, which goes up to the number *upto*."""
        with self._lock:
            self._append(events)
            self._upto = upto

    def replay(self, wire: Format) -> tuple[int, bytes, int]:
        """Return how many lines there are, what they are in a format, and up to which number that is everything."""
        with self._lock:
            if wire not in self._encoded:
                events = list(self._events)
                if self._lines > self._most:
                    first = events[0]
                    events[0] = first.after(first.number + self._lines - self._most - 1)
                self._encoded[wire] = min(self._lines, self._most), b"".join([wire.event(event) for event in events])
            lines, data = self._encoded[wire]
            return lines, data, self._upto

    def _append(self, events: Iterable[Event]) -> None:
        """Caller holds the lock."""
        if not self._most:
            return
        for event in events:
            if event.kind in TALK:
                self._encoded.clear()
                self._events.append(event)
                self._lines += event.size
                while self._lines - self._events[0].size >= self._most:
                    self._lines -= self._events.popleft().size
