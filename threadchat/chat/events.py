"""
What happens in a room, as values: an event has a kind, a number, a time, a name and a text.

Numbers are a room's own: dense, rising from 1, never used twice. Several lines that one talker sent at once, or several
people who came at once, are one event of several lines; it has as many numbers as lines, the first of which is its
``number``. So nothing is done for each line where nothing has to be. Bytes come later: chat/formats.py.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """What has happened. The values are those of the JSON protocol and of the database."""

    SAID = "said"
    DID = "did"  # /me
    JOINED = "joined"  # the lines are the names
    LEFT = "left"  # each line is a name, and, behind a blank, the room it has left for, if it has
    RENAMED = "renamed"  # each line is the old name, a blank, the new name
    TOPIC = "topic"  # the name is whose doing it is, the line is the topic; empty: there is none any more
    MODERATED = "moderated"  # the name is whose doing it is, the line says what


#: What people have to say. The rest is comings and goings, which history is not for: they never push this out.
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
        """Return this event without the lines up to *number*, of which it must have at least one."""
        if number < self.number:
            return self
        skipped = number - self.number + 1
        rest = self.lines[skipped:]
        return self._replace(number=number + 1, size=len(rest), text="\n".join(rest))
