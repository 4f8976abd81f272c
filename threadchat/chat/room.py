"""
A room: its members, and one order of lines for all of them.

Callable from any thread. The room adds to a fan-out what is special about people: comings and goings,
announced at once while few, and condensed while many come together, so that a thousand joins do not
cost a thousand lines to a thousand people.
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

    def say(self, author: Member, data: bytes) -> None:
        """Send *data*, whole lines, to everybody but *author*."""
        with self._lock:
            # Nobody speaks before they have been announced, under the name they have now.
            elected = author in self._presence and self._announce()
            elected |= self.fanout.append(Message(author, data))
        self.fanout.deliver(elected)

    def joined(self, member: Member, name: str) -> None:
        """Announce that *member* has come, called *name*."""
        with self._lock:
            self._presence.joined(member, name)
        self._announce_when_due()

    def renamed(self, member: Member, before: str, name: str) -> None:
        """Announce that *member* is called *name* now instead of *before*."""
        with self._lock:
            self._presence.renamed(member, before, name)
        self._announce_when_due()

    def left(self, member: Member, name: str, to: str | None = None) -> None:
        """Announce that *member*, called *name*, has gone: to the room called *to*, or altogether."""
        with self._lock:
            self._presence.left(member, name, to)
        self._announce_when_due()

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
