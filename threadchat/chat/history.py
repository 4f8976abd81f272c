"""
What a room needs of whoever keeps its events: two Protocols. Who implements them is in threadchat/history.

An event is kept before anybody sees it. What cannot be kept is shown all the same, and its numbers are a gap.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from threadchat.chat.events import Event


class Gap(NamedTuple):
    """Numbers, from ``first`` to ``last``, under which something was said that is not kept."""

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
    at any time, and does not make that one wait.
    """

    @property
    def last(self) -> int:
        """The highest number that was ever used, kept or not; 0: none."""

    @property
    def topic(self) -> str:
        """The line of the last event of kind topic that was kept; empty: none."""

    def append(self, events: Sequence[Event]) -> None:
        """
        Keep *events*, which have the next numbers. When this returns, they outlive the process, if anything does here.

        Raises HistoryError, and has then kept none of them.
        """

    def note_lost(self, gap: Gap) -> None:
        """Note that numbers are used for what could not be kept. Raises nothing: it outlives what it can."""

    def read(self, after: int, most_bytes: int) -> list[Event]:
        """
        Return the first events, in order, with numbers over *after*: about *most_bytes* of text, but at least one.

        Lines up to *after* are left out also where they belong to the same event. Raises HistoryError.
        """

    def tail(self, lines: int) -> list[Event]:
        """Return the last *lines* lines of talk (events.TALK), in order. Raises HistoryError."""

    def gaps(self, after: int, upto: int) -> list[Gap]:
        """Return where talk is missing between *after*, exclusive, and *upto*, inclusive, in order."""

    def search(self, words: Sequence[str], before: int | None, most: int) -> list[Found]:
        """
        Return lines that were said or done and have all *words*, in whatever case; the newest first, up to *most*.

        With *before*, only those with a smaller number. Raises HistoryError.
        """


class History(Protocol):
    """The histories of all rooms. Callable from any thread."""

    def rooms(self) -> list[str]:
        """Return the names of the rooms that are known, whether anybody is in them or not."""

    def room(self, name: str) -> RoomHistory:
        """Return the history of the room called *name*, which is new if it is not known."""

    def start(self) -> None:
        """Begin what is to be done in the background."""

    def close(self) -> None:
        """End everything that runs; what is kept stays. Also where nothing was started."""

    def state(self) -> list[Any]:
        """Return, as JSON has it, what a successor does not find elsewhere. After the last thing was kept."""

    def restore(self, state: list[Any]) -> None:
        """Know what that knew. Before anything else."""
