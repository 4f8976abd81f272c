"""
What a room needs from the history that keeps its events: two Protocols. threadchat/history implements them.

An event is kept before anybody sees it. If it cannot be kept, it is shown all the same, and its numbers are a gap.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from threadchat.chat.events import Event


class Gap(NamedTuple):
    """The numbers from ``first`` to ``last``. What was said under them is not kept."""

    first: int
    last: int


class Found(NamedTuple):
    """One line that a search has found."""

    number: int
    at: int  # milliseconds since 1970, UTC
    name: str
    text: str


class RoomHistory(Protocol):
    """
    The history of one room.

    ``append`` and ``note_lost`` are for one thread at a time, the room's deliverer. Everything else is for any thread,
    at any time, and does not make the deliverer wait.
    """

    @property
    def last(self) -> int:
        """The highest number that was ever used, kept or not; 0: none."""

    @property
    def topic(self) -> str:
        """The line of the last event of kind topic that was kept; empty: none."""

    def append(self, events: Sequence[Event]) -> None:
        """
        Keep *events*, which have the next numbers. After this a history on disk has them, even if the process crashes.

        Raises HistoryError. None of them is kept then.
        """

    def note_lost(self, gap: Gap) -> None:
        """Note that the numbers of *gap* are used, and their events lost. Never raises, even if it cannot be saved."""

    def read(self, after: int, most_bytes: int) -> list[Event]:
        """
        Return the first events, in order, with numbers over *after*: about *most_bytes* of text, but at least one.

        If *after* is in the middle of an event, only the lines behind it are returned. Raises HistoryError.
        """

    def tail(self, lines: int) -> list[Event]:
        """Return the last *lines* lines of talk (events.TALK), in order. Raises HistoryError."""

    def gaps(self, after: int, upto: int) -> list[Gap]:
        """Return where talk is missing between *after*, exclusive, and *upto*, inclusive, in order."""

    def search(self, words: Sequence[str], before: int | None, most: int) -> list[Found]:
        """
        Return lines that were said or done and have all *words*, in upper or lower case; newest first, up to *most*.

        With *before*, only lines with a smaller number. Raises HistoryError.
        """


class History(Protocol):
    """The histories of all rooms. Callable from any thread."""

    def rooms(self) -> list[str]:
        """Return the names of all rooms that are known, even if nobody is in them."""

    def room(self, name: str) -> RoomHistory:
        """Return the history of the room called *name*. If the room is not known, its history is new."""

    def start(self) -> None:
        """Start the work that is done in the background."""

    def close(self) -> None:
        """End everything that runs; what is kept stays. May be called even if nothing was started."""

    def state(self) -> list[Any]:
        """Return, as JSON values, what a successor cannot find elsewhere. To be called once all events are kept."""

    def restore(self, state: list[Any]) -> None:
        """Take over the *state* of a predecessor. To be called before anything else."""
