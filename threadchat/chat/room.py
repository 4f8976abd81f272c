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

    def __init__(self, name: str, clock: Callable[[], float], later: Later) -> None:
        self.name = name
        self.fanout: Fanout[Member] = Fanout()
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
            if author in self._presence:
                self._announce()
            self.fanout.append(Message(author, data))
        self.fanout.deliver()

    def change(self, member: Member, before: str | None, after: str | None) -> None:
        """Announce that *member*, known here as *before*, is known as *after* (None: not here)."""
        with self._lock:
            self._presence.change(member, before, after)
            if self._waiting or not self._presence:
                return
            pause = max(ANNOUNCE_SECONDS, len(self.fanout) * ANNOUNCE_SECONDS_PER_MEMBER)
            wait = self._announced_at + pause - self._clock()
            self._waiting = wait > 0
            if not self._waiting:
                self._announce()
        if wait > 0:
            self._later(wait, self._announce_late)
        else:
            self.fanout.deliver()

    def _announce_late(self) -> None:
        with self._lock:
            self._waiting = False
            self._announce()
        self.fanout.deliver()

    def _announce(self) -> None:
        """
        Put who came and left in its place in the order. Caller holds the lock.

        It is the lock that keeps others from speaking between being crossed off here and being announced.
        """
        self._announced_at = self._clock()
        self.fanout.append(*self._presence.announce())
