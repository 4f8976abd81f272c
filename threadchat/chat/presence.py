"""
Who came, who left and who has changed names: collected, and announced in as few lines as possible.

A change that is undone before it is announced gets no line. A guest who takes a name at once is announced only under
that name. A newcomer about whom nothing is known is a *stranger*. A stranger is not announced before it is introduced.
If it leaves before that, as port scanners do, it is forgotten without a line.
Not here: when to announce, and who is a stranger (:mod:`threadchat.chat.room`). The caller holds the lock.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from typing import NamedTuple

from threadchat.chat.events import Kind
from threadchat.chat.formats import MAX_NAMED
from threadchat.chat.member import Member


@dataclass(slots=True)
class _Change:
    before: str | None  # the name that was last announced; None: the member was not here
    name: str
    here: bool
    to: str | None = None  # the room that the member has left for


class News(NamedTuple):
    """What is to be announced, in lines as events.Kind describes them. The member it is ``about`` does not get it."""

    about: Member | None
    kind: Kind
    text: str
    size: int


class _Stranger(NamedTuple):
    name: str
    until: float


class Presence:
    """The net changes to a room's members since they were last announced, and the strangers among them."""

    __slots__ = ("_strangers", "changes")

    def __init__(self) -> None:
        self.changes: dict[Member, _Change] = {}  # of those who are to be announced
        self._strangers: dict[Member, _Stranger] = {}  # in the order they came

    def joined(self, member: Member, name: str) -> None:
        """Note that *member* has come, called *name*."""
        change = self.changes.setdefault(member, _Change(None, name, here=True))
        change.name, change.here = name, True  # it may have been away only for a moment
        self._forget_if_undone(member)

    def stranger_joined(self, member: Member, name: str, until: float) -> None:
        """Note that *member*, called *name*, has come, and is a stranger up to the time *until* at most."""
        self._strangers[member] = _Stranger(name, until)

    def introduce(self, member: Member) -> None:
        """Let the coming of *member* be announced, if it is a stranger here."""
        if stranger := self._strangers.pop(member, None):
            self.joined(member, stranger.name)

    def overdue(self, now: float) -> list[Member]:
        """Return the strangers who have been here long enough."""
        return [member for member, _ in takewhile(lambda item: item[1].until <= now, self._strangers.items())]

    def next_due(self) -> float | None:
        """Return when the next stranger will have been here long enough; None if there is no stranger."""
        return next((stranger.until for stranger in self._strangers.values()), None)

    def renamed(self, member: Member, before: str, name: str) -> None:
        """Note that *member* is now called *name* instead of *before*."""
        self.changes.setdefault(member, _Change(before, name, here=True)).name = name
        self._forget_if_undone(member)

    def left(self, member: Member, name: str, to: str | None = None) -> None:
        """
        Note that *member*, called *name*, has gone: to the room called *to*, or altogether.

        A stranger is forgotten, and nothing is announced.
        """
        if self._strangers.pop(member, None):
            return
        change = self.changes.setdefault(member, _Change(name, name, here=True))
        change.here, change.to = False, to
        self._forget_if_undone(member)

    def _forget_if_undone(self, member: Member) -> None:
        change = self.changes[member]
        if change.before == (change.name if change.here else None):
            del self.changes[member]

    def announce(self) -> list[News]:
        """Return what has changed, and forget it."""
        changes, self.changes = self.changes, {}
        news = changes.items()
        left = [(m, _left(c)) for m, c in news if not c.here and c.name == c.before]
        renamed = [(m, f"{c.before} {c.name}") for m, c in news if c.before not in (None, c.name)]
        left_renamed = [(m, _left(c)) for m, c in news if not c.here and c.name != c.before]
        joined = [(m, c.name) for m, c in news if c.before is None]
        # A name becomes free before somebody else takes it. In this order, each line is true when it is read.
        return [
            *_news(Kind.LEFT, left),
            *_news(Kind.RENAMED, renamed),
            *_news(Kind.LEFT, left_renamed),
            *_news(Kind.JOINED, joined),
        ]


def _left(change: _Change) -> str:
    return f"{change.name} {change.to}" if change.to else change.name


def _news(kind: Kind, changes: list[tuple[Member, str]]) -> list[News]:
    """Return the news of one kind: one for each member, or a single one for many members."""
    if len(changes) > MAX_NAMED:
        return [News(None, kind, "\n".join([line for _, line in changes]), len(changes))]
    return [News(member, kind, line, 1) for member, line in changes]
