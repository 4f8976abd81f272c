"""The person who has typed a command, as far as the commands know them."""

from __future__ import annotations

from typing import Protocol

from threadchat.chat.hub import Hub
from threadchat.chat.member import Member
from threadchat.chat.room import Room

#: The cost of a command that everybody in a room is told about, in lines beyond the one typed. By default, flood
#: control lets somebody say as many lines in a second. So nobody can annoy others more by such commands than by
#: talking. The name that replaces a guest's is free: everybody needs one.
ANNOUNCED_COST = 20


class Caller(Protocol):
    """The session in which a command was typed, as far as the commands know it."""

    member: Member
    hub: Hub
    #: What their commands have cost, in lines beyond those typed.
    owed: int
    #: The words last searched for, and the number before which the next page begins.
    searched: tuple[list[str], int | None] | None

    @property
    def room(self) -> Room:
        """The room they are in."""

    def rename(self, wanted: str) -> None:
        """Take the name *wanted*. Raises ChatError."""

    def join(self, wanted: str) -> None:
        """Go to the room *wanted*. Raises ChatError."""

    def choose(self, *, numbers: bool | None = None, times: bool | None = None) -> None:
        """Change how lines are written from now on."""

    def quit(self) -> None:
        """Say goodbye and end the connection."""
