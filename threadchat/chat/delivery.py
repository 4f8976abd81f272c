"""
How a batch of events reaches the members of a room: encoded once for each wire format in use, one piece a member.

A member who spoke in the batch gets it without what they said. A member whose queue has no room is *refused*: it gets
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
    """An event for every member except its author, who knows it already."""

    author: Member | None
    event: Event

    @property
    def data(self) -> str:
        """What counts against the fan-out's high-water mark."""
        return self.event.text

    @property
    def last(self) -> int:
        """The number that the room has reached with it."""
        return self.event.last


class Rewind(NamedTuple):
    """Not an event, but a place in the order: from here on *member* is behind, and has everything up to *position*."""

    member: Member
    position: int
    last: int  # the number that the room has reached
    data: str  # the line that the member is then told


class _Encoded:
    """A batch in one format."""

    __slots__ = ("_starts", "whole")

    def __init__(self, batch: Sequence[Post], wire: Format) -> None:
        pieces = [wire.event(event) for _, event in batch]
        self.whole = b"".join(pieces)
        self._starts = [0, *accumulate(map(len, pieces))]

    def without(self, places: list[int]) -> bytes:
        """Return the batch without the posts at *places*, which are in order."""
        starts = self._starts
        if len(places) == 1:  # mostly, where many talk
            (place,) = places
            return self.whole[: starts[place]] + self.whole[starts[place + 1] :]
        return without(self.whole, [(starts[place], starts[place + 1]) for place in places])


def own_places(batch: Sequence[Post]) -> dict[Member, list[int]]:
    """Return where in *batch* each author's own posts are."""
    own: dict[Member, list[int]] = {}
    for place, (author, _) in enumerate(batch):
        if author is not None:
            own.setdefault(author, []).append(place)
    return own


def send_posts(batch: Sequence[Post], own: dict[Member, list[int]], members: Sequence[Member]) -> list[Member]:
    """Send *batch* to *members*, to each without its *own* posts. Return the members that were refused."""
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
