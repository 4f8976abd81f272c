"""A member that reads a room's history: how far it has got, and which thread reads for it. See catchup.py."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from threadchat.chat.catchup import CatchUp


class Turn:
    """
    One thread at a time works for a member, and no call for work is lost. Callable from any thread.

    The lock also guards ``Member.behind``. A fan-out's lock may be taken while it is held.
    """

    __slots__ = ("_busy", "_wanted", "lock")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._busy = False
        self._wanted = False

    def begin(self) -> bool:
        """Ask for work. Return whether the caller is to do it. If not, another thread is at it, and will look again."""
        with self.lock:
            self._wanted = True
            begins, self._busy = not self._busy, True
            return begins

    def again(self) -> bool:
        """Return whether there is work for the thread that works. After False, its turn is over."""
        with self.lock:
            again, self._wanted = self._wanted, False
            self._busy = again
            return again


class Place(TypedDict):
    """What another process needs to let a member read on."""

    position: int
    own: list[int]
    header: str


class Behind:
    """
    A member's place in the order of the room of *catch_up*. Callable from any thread. No lock is taken under its own.

    If *position* is None, it is not known yet. Nothing is read before it is known.
    """

    __slots__ = ("_lock", "_own", "catch_up", "header", "position")

    def __init__(
        self, catch_up: CatchUp, position: int | None = None, own: Iterable[int] = (), header: str = ""
    ) -> None:
        self.catch_up = catch_up
        self.position = position  # the member has everything up to this number
        self.header = header  # what the member is told first
        self._own = set(own)  # the numbers of later events that the member has said itself
        self._lock = threading.Lock()

    def move_to(self, position: int) -> None:
        """Note that the member has everything up to the number *position*."""
        with self._lock:
            self.position = position
            self._own = {number for number in self._own if number > position}

    def says(self, number: int) -> None:
        """Note that the member says event *number* itself. Called by the room's deliverer before the event is kept."""
        with self._lock:
            self._own.add(number)

    def said(self, number: int) -> bool:
        """Return whether the member has said the event with this *number* itself."""
        with self._lock:
            return number in self._own

    def place(self) -> Place:
        """Return what another process needs to go on from here."""
        with self._lock:
            return {"position": self.position or 0, "own": sorted(self._own), "header": self.header}
