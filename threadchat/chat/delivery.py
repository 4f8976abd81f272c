"""
How a batch of events reaches the members of a room: encoded once for each wire format in use, one piece a member.

A member who spoke in the batch gets it without what they said. One whose queue has no room is *refused*: it gets
nothing of the batch, and reads the room's history instead (catchup.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from threadchat.chat.events import Event
from threadchat.chat.fanout import without
from threadchat.chat.formats import Format
from threadchat.chat.member import Member


class Post(NamedTuple):
    """An event for every member but its author, who knows what they said."""

    author: Member | None
    event: Event

    @property
    def data(self) -> str:
        """What counts against the fan-out's high-water mark."""
        return self.event.text

    @property
    def last(self) -> int:
        """The number up to which the room has got with it."""
        return self.event.last


class Rewind(NamedTuple):
    """No event, but a place in the order: from here on *member* is behind, and has everything up to *position*."""

    member: Member
    position: int
    last: int  # the number up to which the room has got
    data: str  # what the member is told then


class _Encoded:
    """A batch in one format."""

    __slots__ = ("_starts", "whole")

    def __init__(self, batch: Sequence[Post], wire: Format) -> None:
        pieces = [wire.event(event) for _, event in batch]
        self.whole = b"".join(pieces)
        self._starts = [0, *accumulate(map(len, pieces))]

    def without(self, places: list[int]) -> bytes:
        """Return it without the posts at *places*, which are in order."""
        return without(self.whole, [(self._starts[place], self._starts[place + 1]) for place in places])


def own_places(batch: Sequence[Post]) -> dict[Member, list[int]]:
    """Return where in *batch* each author's own posts are."""
    own: dict[Member, list[int]] = {}
    for place, (author, _) in enumerate(batch):
        if author is not None:
            own.setdefault(author, []).append(place)
    return own


def send_posts(batch: Sequence[Post], own: dict[Member, list[int]], members: Sequence[Member]) -> list[Member]:
    """Send *batch*, of which each has its *own* posts already, to *members*; return those who were refused."""
    refused: list[Member] = []
    encoded: dict[Format, _Encoded] = {}
    for member in members:
        wire = member.format
        one = encoded.get(wire)
        if one is None:
            one = encoded[wire] = _Encoded(batch, wire)
        data = one.without(own[member]) if member in own else one.whole
        if data and not member.offer(data):
            refused.append(member)
    return refused
