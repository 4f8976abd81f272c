"""The history of one room in a SQLite database."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from threadchat.chat.events import TALK, Event, Kind
from threadchat.chat.history import Found, Gap
from threadchat.history import queries, recent
from threadchat.history.database import Database, Kept
from threadchat.history.holes import Holes
from threadchat.history.numbers import digest_of
from threadchat.history.recent import Recent
from threadchat.history.selecting import last_lines
from threadchat.history.store import Store

Answer = TypeVar("Answer")


class SqliteRoom:
    """The history of the room called *name* in a *store*."""

    def __init__(self, name: str, store: Store) -> None:
        self.name = name
        self._digest = digest_of(name)
        self._store = store
        self._lock = threading.Lock()  # guards what follows; no other lock is taken under it
        self._last = store.numbers.last(self._digest) if store.numbers else 0
        self._topic = ""
        self._holes = Holes()
        self._noted = 0  # gaps up to this number are in the database
        self._recent = Recent(is_all=True)
        #: How many lines are kept, by table.
        self.lines = {"talk": 0, "comings": 0}
        self.adopt(None)

    @property
    def last(self) -> int:
        """The highest number that was ever used."""
        return self._last

    @property
    def topic(self) -> str:
        """The line of the last event of kind topic that was kept; empty if there was none."""
        return self._topic

    @property
    def is_known(self) -> bool:
        """Whether talk or a topic of this room is kept."""
        return bool(self.lines["talk"] or self._topic)

    def adopt(self, kept: Kept | None) -> None:
        """Go on with a database that has *kept* this of the room; None: nothing. Numbers it has missed are a gap."""
        kept = kept or Kept(self.name, "", 0, 0, 0, 0, ())
        with self._lock:
            self._holes = Holes(kept.trimmed, kept.gaps)
            if self._last > kept.last:
                self._holes = self._holes.with_gap(Gap(kept.last + 1, self._last))
            self._last = max(self._last, kept.last)
            self._topic = kept.topic
            self._noted = kept.gaps[-1].last if kept.gaps else 0
            self._recent = Recent(is_all=not kept.talk)
            self.lines = {"talk": kept.talk, "comings": kept.comings}
        self._use_numbers()

    def append(self, events: Sequence[Event]) -> None:
        """Keep *events*. Raises HistoryError."""
        talk: list[Event] = []
        comings: list[Event] = []
        lines, topic = 0, None
        for event in events:
            if event.kind in TALK:
                talk.append(event)
                lines += event.size
                if event.kind is Kind.TOPIC:
                    topic = event.text
            else:
                comings.append(event)
        first, last = events[0].number, events[-1].last
        gaps = [gap for gap in self._holes.gaps if gap.last > self._noted] if self._holes.gaps else []
        with self._store.writing:
            self._store.write(lambda database: database.keep(self.name, talk, comings, topic, gaps))
            with self._lock:
                self._last = last
                self._recent.add(talk)
                self.lines["talk"] += lines
                self.lines["comings"] += last - first + 1 - lines
                if topic is not None:
                    self._topic = topic
                if gaps:
                    self._noted = gaps[-1].last
        self._use_numbers()

    def note_lost(self, gap: Gap) -> None:
        """Note that the lines of *gap* are missing."""
        with self._lock:
            self._holes = self._holes.with_gap(gap)
            self._last = max(self._last, gap.last)
        self._use_numbers()

    def read(self, after: int, most_bytes: int) -> list[Event]:
        """Return the first events with numbers over *after*. Raises HistoryError."""
        return self._ask(lambda connection, room: queries.read(connection, room, after, most_bytes))

    def tail(self, lines: int) -> list[Event]:
        """Return the last *lines* lines of talk. Raises HistoryError."""
        with self._lock:
            found, version = self._recent.tail(lines), self._recent.version
        if found is not None:
            return found
        most = max(lines, recent.LINES)
        events = self._ask(lambda connection, room: queries.tail(connection, room, most))
        with self._lock:
            self._recent.fill(events, sum(event.size for event in events) < most, version)
        return last_lines(reversed(events), lines)

    def gaps(self, after: int, upto: int) -> list[Gap]:
        """Return where talk is missing."""
        return self._holes.between(after, upto)

    def search(self, words: Sequence[str], before: int | None, most: int) -> list[Found]:
        """Return lines that have all *words*. Raises HistoryError. One search runs at a time, so others can read."""
        with self._store.searching:
            return self._ask(lambda connection, room: queries.search(connection, room, words, before, most))

    def oldest(self, table: str, most: int) -> list[tuple[int, int, int]]:
        """Return the last number, lines and time of the oldest events of a *table*. Raises HistoryError."""
        return self._ask(lambda connection, room: queries.oldest(connection, room, table, most))

    def trim(self, table: str, newest: int, lines: int) -> None:
        """Forget the oldest *lines* lines of a *table*, up to the number *newest*. Raises HistoryError."""
        with self._store.writing:
            self._store.write(lambda database: database.trim(self.name, table, newest))
            with self._lock:
                self.lines[table] -= lines
                if table == "talk":
                    self._holes = self._holes.without_talk_up_to(newest)
                    self._recent.forget(newest)

    def _ask(self, query: Callable[[sqlite3.Connection, int], list[Answer]]) -> list[Answer]:
        """Return what *query* makes of a connection and this room's id; nothing if the database knows no such room."""

        def ask(database: Database, connection: sqlite3.Connection) -> list[Answer]:
            room = database.ids.get(self.name)
            return [] if room is None else query(connection, room)

        return self._store.read(ask)

    def _use_numbers(self) -> None:
        if (numbers := self._store.numbers) and self._last:
            numbers.use(self._digest, self._last)
