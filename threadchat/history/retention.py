"""Forgets what is over the bounds, the oldest first, in steps so small that no writer has to wait long."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Protocol

from threadchat.history.selecting import Bounds

#: A step that took longer than this, in seconds, is followed by a smaller one; a quicker step by a larger one.
_STEP_SECONDS = 0.002
_STEP_ROWS = (50, 1000)
#: How long one call of trim may take, in seconds. There will be another one soon.
_TRIM_SECONDS = 1.0
#: Ages are looked at once in so many seconds, or once in a tenth of the age limit if that is shorter.
_AGE_SECONDS = 60.0


class Kept(Protocol):
    """The part of a room's history that retention needs."""

    lines: dict[str, int]

    def oldest(self, table: str, most: int) -> list[tuple[int, int, int]]:
        """Return the last number, lines and time of the oldest events of a *table*."""

    def trim(self, table: str, newest: int, lines: int) -> None:
        """Forget the oldest *lines* lines of a *table*, up to the number *newest*."""


class Retention:
    """Trims to *bounds*. *clock* gives Unix time. Only one thread may use it."""

    def __init__(self, bounds: Bounds, clock: Callable[[], float]) -> None:
        self._most = {"talk": bounds.lines, "comings": bounds.comings}
        self._age = bounds.age
        self._clock = clock
        self._rows = _STEP_ROWS[0]
        self._ages_at = 0.0  # when ages were looked at

    def trim(self, rooms: Iterable[Kept], rest: Callable[[float], object]) -> None:
        """
        Trim *rooms*, for a second at most. Raises HistoryError.

        *rest* waits for so many seconds, and returns whether trimming is to end.
        """
        end = time.monotonic() + _TRIM_SECONDS
        interval = min(_AGE_SECONDS, self._age / 10)
        now = self._clock()
        by_age = bool(self._age) and abs(now - self._ages_at) >= interval  # the clock may be set back
        for room in rooms:
            for table, most in self._most.items():
                while by_age or room.lines[table] > most:
                    began = time.monotonic()
                    if began > end or not self._step(room, table, most):
                        break
                    took = time.monotonic() - began
                    smallest, largest = _STEP_ROWS
                    self._rows = (
                        max(self._rows // 2, smallest) if took > _STEP_SECONDS else min(self._rows * 2, largest)
                    )
                    if rest(4 * took):
                        return
        if by_age and time.monotonic() <= end:
            self._ages_at = now

    def _step(self, room: Kept, table: str, most: int) -> bool:
        """
        Forget a few events; return whether there is more to forget.

        If one of the events looked at may stay, the answer is no. What has come in meanwhile is for the next call:
        otherwise a busy room would never be done.
        """
        oldest_at = (self._clock() - self._age) * 1000 if self._age else 0
        surplus = room.lines[table] - most
        newest = lines = 0
        events = room.oldest(table, self._rows)
        for last, size, at in events:
            if lines + size > surplus and at >= oldest_at:
                break
            newest = last
            lines += size
        if newest:
            room.trim(table, newest, lines)
        return bool(newest) and newest == events[-1][0]
