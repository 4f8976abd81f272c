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
    before: str | None  # None: was not here
    after: str | None  # None: is gone


class Presence:
    """The net changes to a room's members since they were last announced."""

    __slots__ = ("_changes",)

    def __init__(self) -> None:
        self._changes: dict[Member, _Change] = {}

    def __contains__(self, member: Member) -> bool:
        return member in self._changes

    def __bool__(self) -> bool:
        return bool(self._changes)

    def change(self, member: Member, before: str | None, after: str | None) -> None:
        """Note that *member*, known here as *before*, is known as *after* (None: not here)."""
        known = self._changes.setdefault(member, _Change(before, after))
        known.after = after
        if known.before == known.after:
            del self._changes[member]

    def announce(self) -> list[Message[Member]]:
        """Return the lines that say what has changed, and forget it."""
        changes, self._changes = self._changes, {}
        joined = [(m, f"{c.after} joined") for m, c in changes.items() if c.before is None]
        left = [(m, f"{c.before} left") for m, c in changes.items() if c.after is None]
        renamed = [(m, f"{c.before} is now {c.after}") for m, c in changes.items() if c.before and c.after]
        # A name is free before it can be taken: this way round the lines can be true one after the other.
        return [
            *_lines(left, "left"),
            *_lines(renamed, "changed their names"),
            *_lines(joined, "joined"),
        ]


def _lines(events: list[tuple[Member, str]], verb: str) -> list[Message[Member]]:
    if len(events) > MAX_NAMED:
        return [Message(None, f"* {len(events)} people {verb}\n".encode())]
    return [Message(member, f"* {text}\n".encode()) for member, text in events]
