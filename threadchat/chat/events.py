"""
What happens in a room, as values: an event has a kind, a number, a time, a name and a text.

Each room has its own numbers: dense, rising from 1, never used twice. Several lines that one talker sent at once are
one event of several lines. So are several people who came at once. Such an event has as many numbers as lines; the
first is its ``number``. So no work is done for each line unless it must be. Bytes come later: chat/formats.py.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """What has happened. The values are stored in the database and handed to a successor."""

    SAID = "said"
    DID = "did"  # /me
    JOINED = "joined"  # the lines are the names
    LEFT = "left"  # each line is a name, or a name, a blank and the room they have left for
    RENAMED = "renamed"  # each line is the old name, a blank, the new name
    TOPIC = "topic"  # the name is who set it, the line is the topic; empty: it was removed
    MODERATED = "moderated"  # the name is who did it, the line says what

    __hash__ = str.__hash__  # Enum's own is a Python function, called for every look into a set


#: What people have to say. The rest is comings and goings. They never push talk out of the history.
TALK = frozenset((Kind.SAID, Kind.DID, Kind.TOPIC, Kind.MODERATED))


class Event(NamedTuple):
    """One thing that has happened in a room."""

    kind: Kind
    number: int  # of the first line
    size: int  # in lines, and so in numbers
    at: int  # milliseconds since 1970, UTC
    name: str
    text: str  # the lines, joined by LF: safe text, without control characters

    @property
    def last(self) -> int:
        """The number of the last line."""
        return self.number + self.size - 1

    @property
    def lines(self) -> list[str]:
        """The lines."""
        return self.text.split("\n")

    def after(self, number: int) -> Event:
        """Return this event without the lines up to *number*. At least one line must be left."""
        if number < self.number:
            return self
        skipped = number - self.number + 1
        rest = self.lines[skipped:]
        return self._replace(number=number + 1, size=len(rest), text="\n".join(rest))
