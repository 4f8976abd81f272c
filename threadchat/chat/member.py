"""Who is in a room: one connection's name, and the way to reach it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from threadchat.chat.behind import Behind, Turn
from threadchat.chat.formats import PlainFormat, plain


class Outlet(Protocol):
    """The way to one receiver. Callable from any thread; nothing here blocks or raises."""

    def send(self, data: bytes, /) -> None:
        """Send *data* or queue it. A receiver with far too much in its queue is cut off."""

    def answer(self, data: bytes, /) -> None:
        """Send *data* or queue it, however long it is: the receiver has asked for it."""

    def offer(self, data: bytes, /) -> bool:
        """Send *data* or queue it, unless there is no room for it. Return whether there was room."""

    def caught_up(self) -> None:
        """Note that everything that an offer has refused has been sent since."""

    def when_drained(self, action: Callable[[], None], /) -> bool:
        """Have *action* called once when the queue is empty. If it is empty now, return False and forget *action*."""


class Member:
    """
    A connection as the rooms know it.

    ``name`` is set only by the hub, under its lock, and may be read by any thread. ``format`` is set by the
    connection's own thread. ``introduced`` means that the member's comings and goings are announced; until then it is a
    stranger (presence.py). ``behind`` is set while the member reads the room's history, by the thread that has its
    ``turn`` (catchup.py). The hub knows which room a member is in.
    """

    __slots__ = ("behind", "format", "introduced", "name", "named", "offer", "outlet", "turn")

    def __init__(self, name: str, outlet: Outlet) -> None:
        self.name = name
        self.named = False  # False: still a guest
        self.introduced = False
        self.turn = Turn()
        self.behind: Behind | None = None
        self.format: PlainFormat = plain()
        self.outlet = outlet
        self.offer = outlet.offer  # at hand, because every delivery looks it up

    def tell(self, *lines: str) -> None:
        """Send *lines*, which are whole and safe, to this member alone, as one piece."""
        self.outlet.answer(b"".join([self.format.line(line) for line in lines]))

    def notice(self, *texts: str) -> None:
        """Send *texts* as lines of the server's own."""
        self.outlet.answer(b"".join([self.format.notice(text) for text in texts]))
