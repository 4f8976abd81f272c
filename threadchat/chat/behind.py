"""How far a member has got that reads a room's history, and which thread reads for it: see catchup.py."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from threadchat.chat.catchup import CatchUp


class Turn:
    """
    One thread at a time works for a member, and no call for work is lost. Callable from any thread.

    The lock guards ``Member.behind``, too. Under it, a fan-out's may be taken.
    """

    __slots__ = ("_busy", "_wanted", "lock")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._busy = False
        self._wanted = False

    def begin(self) -> bool:
        """Ask for work; return whether the caller is to do it. If not, somebody is at it, and will look again."""
        with self.lock:
            self._wanted = True
            begins, self._busy = not self._busy, True
            return begins

    def again(self) -> bool:
        """Return whether there is work, for whoever does it; False ends that."""
        with self.lock:
            again, self._wanted = self._wanted, False
            self._busy = again
            return again


class Place(TypedDict):
    """What another process needs to go on."""

    position: int
    own: list[int]
    header: str


class Behind:
    """
    A place in the order of the room that *catch_up* is of. Callable from any thread; one lock, a leaf.

    A *position* of None is not known yet: nothing is read before it is.
    """

    __slots__ = ("_lock", "_own", "catch_up", "header", "position")

    def __init__(
        self, catch_up: CatchUp, position: int | None = None, own: Iterable[int] = (), header: str = ""
    ) -> None:
        self.catch_up = catch_up
        self.position = position  # it has everything up to this number
        self.header = header  # what the member is told first
        self._own = set(own)  # the numbers of the events, after that, that it has said itself
        self._lock = threading.Lock()

    def move_to(self, position: int) -> None:
        """Note that the member has everything up to the number *position*."""
        with self._lock:
            self.position = position
            self._own = {number for number in self._own if number > position}

    def says(self, number: int) -> None:
        """Note that the member itself says the event with that *number*. By the room's deliverer, before it is kept."""
        with self._lock:
            self._own.add(number)

    def said(self, number: int) -> bool:
        """Return whether the member itself has said the event with that *number*."""
        with self._lock:
            return number in self._own

    def place(self) -> Place:
        """Return what another one needs to go on."""
        with self._lock:
            return {"position": self.position or 0, "own": sorted(self._own), "header": self.header}
