"""
The last lines of a room, at hand for newcomers. They are encoded once, however many people come at the same time.

They are read from the history when the first newcomer asks. From then on, the room's deliverer adds to them. Any thread
may look. Locks guard memory only.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Sequence

from threadchat.base.errors import HistoryError
from threadchat.chat.events import TALK, Event
from threadchat.chat.formats import Format
from threadchat.chat.history import RoomHistory

#: So many events wait to be sorted, which is no work for the deliverer while nobody enters.
_MOST_NEWS = 1000


class Recent:
    """The last *lines* lines of talk, and the number up to which they go."""

    def __init__(self, lines: int, history: RoomHistory) -> None:
        self._most = lines
        self._history = history
        self._lock = threading.Lock()
        self._events: deque[Event] = deque()
        self._lines = 0
        self._news: list[Event] = []  # kept since somebody last looked, as they come
        self._upto = history.last
        self._read = not lines  # the history has been read, or need not be
        self._encoded: dict[Format, tuple[int, bytes]] = {}

    def add(self, events: Sequence[Event]) -> None:
        """Take *events*, which have just been kept."""
        with self._lock:
            self._upto = events[-1].last
            if self._read and self._most:
                self._news += events
                if len(self._news) > _MOST_NEWS:
                    self._sort_news()

    def replay(self, wire: Format) -> tuple[int, bytes, int]:
        """Return how many lines there are, their bytes in the format *wire*, and up to which number none is missing."""
        while not self._read and self._read_history():
            pass
        with self._lock:
            self._sort_news()
            if wire not in self._encoded:
                events = list(self._events)
                if self._lines > self._most:
                    first = events[0]
                    events[0] = first.after(first.number + self._lines - self._most - 1)
                self._encoded[wire] = min(self._lines, self._most), b"".join([wire.event(event) for event in events])
            lines, data = self._encoded[wire]
            return lines, data, self._upto

    def _read_history(self) -> bool:
        """
        Read the history. Drop what was read if something has been kept meanwhile, or another thread was first.

        Returns whether it can be read. If not, nothing is shown, and the next who enters tries again.
        """
        upto = self._upto
        try:
            tail = self._history.tail(self._most)
        except HistoryError:  # /history tells of the problem
            return False
        with self._lock:
            if not self._read and self._upto == upto:
                self._append(tail)
                self._read = True
        return True

    def _sort_news(self) -> None:
        """Take what was kept since the last time, but only as much as matters. Caller holds the lock."""
        news, self._news = self._news, []
        lines, talk = 0, list[Event]()
        for event in reversed(news):
            if event.kind in TALK:
                talk.append(event)
                lines += event.size
                if lines >= self._most:
                    break
        self._append(reversed(talk))

    def _append(self, talk: Iterable[Event]) -> None:
        """Add *talk*, and forget the oldest lines. Caller holds the lock."""
        for event in talk:
            self._encoded.clear()
            self._events.append(event)
            self._lines += event.size
            while self._lines - self._events[0].size >= self._most:
                self._lines -= self._events.popleft().size
