"""
History in a SQLite database: what people say outlives the process.

What a room needs for every line is in memory: its last number, its topic, where something is missing, and its last
lines, for newcomers. So a connection's thread uses SQLite only when it delivers lines, or asks for more than that.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from threadchat.base.errors import HistoryError
from threadchat.base.log import Log
from threadchat.chat.events import Event, Kind
from threadchat.chat.history import Gap
from threadchat.history.database import Durability, Kept
from threadchat.history.housekeeper import Housekeeper
from threadchat.history.retention import Retention
from threadchat.history.selecting import Bounds
from threadchat.history.sqlite_room import SqliteRoom
from threadchat.history.store import Store


class SqliteHistory:
    """
    The histories of all rooms, in the directory at *path*. *clock* gives Unix time.

    Raises ConfigError if a person has to solve a problem. If the disk is full, or the database is locked, there is a
    history all the same. It cannot keep anything until that is over.
    """

    def __init__(
        self,
        path: Path,
        log: Log,
        bounds: Bounds = Bounds(),  # noqa: B008, a value
        durability: Durability = "process",
        clock: Callable[[], float] = time.time,
        tick: float = 1.0,
    ) -> None:
        self._lock = threading.Lock()
        self._rooms: dict[str, SqliteRoom] = {}
        self._store = Store(path, durability, log)
        try:
            self._store.open(self._adopt)
        except HistoryError as problem:
            log.error("history_failing", problem=str(problem))  # noqa: TRY400, no bug
        except BaseException:
            self._store.close()
            raise
        self.housekeeper = Housekeeper(self._store, self._all_rooms, self._adopt, Retention(bounds, clock), tick, log)

    def start(self) -> None:
        """Begin to trim, to empty the log, and to open again what was away."""
        self.housekeeper.start()

    def state(self) -> list[Any]:
        """Return nothing: a successor finds everything in the directory."""
        return []

    def restore(self, state: list[Any]) -> None:
        """Keep what a predecessor had in memory, in rooms that are new here."""
        for name, (last, _, _, _, events) in state:
            room = self.room(name)
            if room.last:
                continue
            with contextlib.suppress(HistoryError):
                room.append([Event(Kind(kind), *rest) for kind, *rest in events])
            if room.last < last:
                room.note_lost(Gap(room.last + 1, last))

    def rooms(self) -> list[str]:
        """Return the names of the rooms where something was said that is kept, or that have a topic."""
        return [room.name for room in self._all_rooms() if room.is_known]

    def room(self, name: str) -> SqliteRoom:
        """Return the history of the room called *name*."""
        with self._lock:
            if (room := self._rooms.get(name)) is None:
                room = self._rooms[name] = SqliteRoom(name, self._store)
            return room

    def close(self) -> None:
        """End the thread, and close the database."""
        self.housekeeper.stop()
        self._store.close()

    def _all_rooms(self) -> list[SqliteRoom]:
        with self._lock:
            return list(self._rooms.values())

    def _adopt(self, kept: Sequence[Kept]) -> None:
        """Tell all rooms what the database, which has just been opened, knows of them."""
        known = {row.name: row for row in kept}
        for name in known:
            self.room(name)
        for room in self._all_rooms():
            room.adopt(known.get(room.name))
