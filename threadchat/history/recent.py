"""The last lines of talk in a room, remembered for newcomers, so that the database need not be asked."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from threadchat.chat.events import Event
from threadchat.history.selecting import last_lines

#: About the most that is remembered of a room, in lines and in characters.
LINES = 100
_CHARACTERS = 16_384


class Recent:
    """Only one thread at a time may use it. *is_all*: the room has had no talk so far."""

    def __init__(self, is_all: bool) -> None:
        self._events: deque[Event] = deque()
        self._lines = 0
        self._characters = 0
        self._is_all = is_all  # all talk of the room is in here
        self.version = 0  # changes with the contents

    def add(self, talk: Sequence[Event]) -> None:
        """Remember the next events."""
        self.version += 1
        self._events.extend(talk)
        for event in talk:
            self._lines += event.size
            self._characters += len(event.text)
        while self._characters > _CHARACTERS or (self._events and self._lines - self._events[0].size >= LINES):
            self._drop()
            self._is_all = False

    def forget(self, upto: int) -> None:
        """Forget events up to the number *upto*."""
        self.version += 1
        while self._events and self._events[0].last <= upto:
            self._drop()

    def fill(self, tail: Sequence[Event], is_all: bool, version: int) -> None:
        """Remember *tail*, which the database has given, unless the contents have changed since *version*."""
        if version == self.version:
            self._events.clear()
            self._lines = self._characters = 0
            self._is_all = is_all
            self.add(tail)

    def tail(self, lines: int) -> list[Event] | None:
        """Return the last *lines* lines; None: more are needed than are remembered."""
        if self._lines < lines and not self._is_all:
            return None
        return last_lines(reversed(self._events), lines)

    def _drop(self) -> None:
        event = self._events.popleft()
        self._lines -= event.size
        self._characters -= len(event.text)
