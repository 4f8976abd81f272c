"""How far a member has got that reads a room's history: see catchup.py."""

from __future__ import annotations

import threading
from collections.abc import Iterable


class Behind:
    """A place in a room's order. Callable from any thread; one lock, a leaf."""

    __slots__ = ("_busy", "_lock", "_own", "_wanted", "position")

    def __init__(self, position: int, own: Iterable[tuple[int, int]] = ()) -> None:
        self.position = position  # it has everything up to this number
        self._own = list(own)  # what it has said itself since, as first and last numbers
        self._lock = threading.Lock()
        self._busy = False
        self._wanted = False

    def begin(self) -> bool:
        """Ask for work; return whether the caller is to do it. If not, somebody is at it, and will look again."""
        with self._lock:
            self._wanted = True
            begins, self._busy = not self._busy, True
            return begins

    def again(self) -> bool:
        """Return whether there is work, for whoever does it; False ends that."""
        with self._lock:
            again, self._wanted = self._wanted, False
            self._busy = again
            return again

    def says(self, first: int, last: int) -> None:
        """Note what the member says itself. By the room's deliverer, before that is kept."""
        with self._lock:
            self._own.append((first, last))

    def said(self, number: int) -> bool:
        """Return whether the member itself has said what has that *number*."""
        with self._lock:
            return any(first <= number <= last for first, last in self._own)

    def state(self) -> list[list[int]]:
        """Return what another one needs to go on: the position, and what it has said itself since."""
        with self._lock:
            own = [[first, last] for first, last in self._own if last > self.position]
            return [[self.position, self.position], *own]

    @classmethod
    def restored(cls, state: list[list[int]]) -> Behind:
        """Return one that is where that was."""
        (position, _), *own = state
        return cls(position, [(first, last) for first, last in own])
