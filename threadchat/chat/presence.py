"""
Who came, who left, who is called otherwise now: collected, and said in as few lines as will do.

What somebody did and undid within one collection is not worth a line: a port scanner that comes and
goes is never announced, and a guest who names themselves at once joins under that name.
Not here: when to say it (:mod:`threadchat.chat.room`). The caller has the lock.
"""

from __future__ import annotations

from dataclasses import dataclass

from threadchat.chat.fanout import Message
from threadchat.chat.member import Member

#: Up to so many are named, a line each; more of a kind become one line with their number.
MAX_NAMED = 3


@dataclass(slots=True)
class _Change:
    before: str | None  # the name that was last announced; None: was not here
    name: str
    here: bool
    to: str | None = None  # the room it has left for


class Presence:
    """The net changes to a room's members since they were last announced."""

    __slots__ = ("_changes",)

    def __init__(self) -> None:
        self._changes: dict[Member, _Change] = {}

    def __contains__(self, member: Member) -> bool:
        return member in self._changes

    def __bool__(self) -> bool:
        return bool(self._changes)

    def joined(self, member: Member, name: str) -> None:
        """Note that *member* has come, called *name*."""
        change = self._changes.setdefault(member, _Change(None, name, here=True))
        change.name, change.here = name, True  # it may have been away for a moment only
        self._forget_if_undone(member)

    def renamed(self, member: Member, before: str, name: str) -> None:
        """Note that *member* is called *name* now instead of *before*."""
        self._changes.setdefault(member, _Change(before, name, here=True)).name = name
        self._forget_if_undone(member)

    def left(self, member: Member, name: str, to: str | None = None) -> None:
        """Note that *member*, called *name*, has gone: to the room called *to*, or altogether."""
        change = self._changes.setdefault(member, _Change(name, name, here=True))
        change.here, change.to = False, to
        self._forget_if_undone(member)

    def _forget_if_undone(self, member: Member) -> None:
        change = self._changes[member]
        if change.before == (change.name if change.here else None):
            del self._changes[member]

    def announce(self) -> list[Message[Member]]:
        """Return the lines that say what has changed, and forget it."""
        changes, self._changes = self._changes, {}
        news = changes.items()
        left = [(m, _left(c)) for m, c in news if not c.here and c.name == c.before]
        renamed = [(m, f"{c.before} is now {c.name}") for m, c in news if c.before not in (None, c.name)]
        left_renamed = [(m, _left(c)) for m, c in news if not c.here and c.name != c.before]
        joined = [(m, f"{c.name} joined") for m, c in news if c.before is None]
        # A name is free before it can be taken: this way round the lines can be true one after the other.
        return [
            *_lines(left, "left"),
            *_lines(renamed, "changed their names"),
            *_lines(left_renamed, "left"),
            *_lines(joined, "joined"),
        ]


def _left(change: _Change) -> str:
    return f"{change.name} left for {change.to}" if change.to else f"{change.name} left"


def _lines(events: list[tuple[Member, str]], verb: str) -> list[Message[Member]]:
    if len(events) > MAX_NAMED:
        return [Message(None, f"* {len(events)} people {verb}\n".encode())]
    return [Message(member, f"* {text}\n".encode()) for member, text in events]
