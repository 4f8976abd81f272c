"""
A room: its members, and one order of lines for all of them.

Callable from any thread. The room adds to a fan-out what is special about people: comings and goings,
announced at once while few, and condensed while many come together, so that a thousand joins do not
cost a thousand lines to a thousand people. Nobody hears of a port scan: a newcomer is a stranger, and not announced,
until they say something, name themselves or have stayed a few seconds.
Not here: who may join or speak (hub, session). Numbers and history will live where lines are posted.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from threadchat.base.heartbeat import Heartbeat
from threadchat.chat.fanout import Fanout, Message
from threadchat.chat.member import Member
from threadchat.chat.presence import Presence

#: Announcements are at least this far apart, in seconds, and further for each member they reach:
#: what they cost is then bounded, however many come.
ANNOUNCE_SECONDS = 0.05
ANNOUNCE_SECONDS_PER_MEMBER = 0.001

#: Whoever has stayed so long is no stranger any more, in seconds.
STRANGER_SECONDS = 3.0

#: Runs a function after so many seconds, on a thread that may deliver.
Later = Callable[[float, Callable[[], None]], None]


class Room:
    """One room. The hub adds and discards members; sessions say things."""

    def __init__(self, name: str, clock: Callable[[], float], later: Later, heartbeat: Heartbeat | None = None) -> None:
        self.name = name
        self.fanout: Fanout[Member] = Fanout(heartbeat)
        self._clock = clock
        self._later = later
        self._lock = threading.Lock()
        self._presence = Presence()
        self._announced_at = clock() - ANNOUNCE_SECONDS
        self._waiting = False  # an announcement is due later
        self._watching = False  # for strangers who have stayed long enough

    def say(self, author: Member, data: bytes) -> None:
        """Send *data*, whole lines, to everybody but *author*."""
        with self._lock:
            # Nobody speaks before they have been announced, under the name they have now.
            if not author.introduced:
                self._introduce(author)
            elected = author in self._presence and self._announce()
            elected |= self.fanout.append(Message(author, data))
        self.fanout.deliver(elected)

    def joined(self, member: Member, name: str) -> None:
        """Announce that *member* has come, called *name*; a stranger only when it is introduced."""
        if not (member.named or member.introduced):
            self.await_introduction(member, name, self._clock() + STRANGER_SECONDS)
            return
        with self._lock:
            member.introduced = True
            self._presence.joined(member, name)
        self._announce_when_due()

    def await_introduction(self, member: Member, name: str, until: float) -> None:
        """Take *member*, who has come, for a stranger *until* then at most."""
        with self._lock:
            self._presence.stranger_joined(member, name, until)
            watching, self._watching = self._watching, True
        if not watching:
            self._later(until - self._clock(), self._introduce_overdue)

    def introduce(self, member: Member) -> None:
        """Announce *member*, who has done what only a person does, unless that has been done."""
        if not member.introduced:
            with self._lock:
                self._introduce(member)
            self._announce_when_due()

    def stranger_until(self, member: Member) -> float:
        """Return until when a successor is to take *member* for a stranger, by the clock; 0: it is none."""
        return 0.0 if member.introduced else self._clock() + STRANGER_SECONDS

    def renamed(self, member: Member, before: str, name: str) -> None:
        """Announce that *member* is called *name* now instead of *before*."""
        with self._lock:
            self._introduce(member)
            self._presence.renamed(member, before, name)
        self._announce_when_due()

    def left(self, member: Member, name: str, to: str | None = None) -> None:
        """Announce that *member*, called *name*, has gone: to the room called *to*, or altogether."""
        with self._lock:
            self._presence.left(member, name, to)
        self._announce_when_due()

    def _introduce_overdue(self) -> None:
        """Introduce the strangers who have stayed long enough, and come back for the others."""
        with self._lock:
            for member in self._presence.overdue(self._clock()):
                self._introduce(member)
            due = self._presence.next_due()
            self._watching = due is not None
        self._announce_when_due()
        if due is not None:
            self._later(max(due - self._clock(), ANNOUNCE_SECONDS), self._introduce_overdue)

    def _introduce(self, member: Member) -> None:
        """Let *member* be announced from now on. Caller holds the lock."""
        member.introduced = True
        self._presence.introduce(member)

    def _announce_when_due(self) -> None:
        """Say what is to be announced, now or as soon as the last announcement is long enough ago."""
        with self._lock:
            if self._waiting or not self._presence:
                return
            pause = max(ANNOUNCE_SECONDS, len(self.fanout) * ANNOUNCE_SECONDS_PER_MEMBER)
            wait = self._announced_at + pause - self._clock()
            self._waiting = wait > 0
            elected = not self._waiting and self._announce()
        if wait > 0:
            self._later(wait, self._announce_late)
        self.fanout.deliver(elected)

    def _announce_late(self) -> None:
        with self._lock:
            self._waiting = False
            elected = self._announce()
        self.fanout.deliver(elected)

    def _announce(self) -> bool:
        """
        Put who came and left in its place in the order; return what Fanout.append does. Caller holds the lock.

        It is the lock that keeps others from speaking between being crossed off here and being announced.
        """
        self._announced_at = self._clock()
        return self.fanout.append(*self._presence.announce())
