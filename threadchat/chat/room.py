"""
A room: its members, and one order of lines for all of them.

Callable from any thread. A room is a fan-out that also announces who comes and goes. A few changes are announced at
once. Many changes at a time are condensed: a thousand joins must not cost a thousand lines to a thousand people.
A newcomer is a stranger at first. Strangers are not announced until they say something, take a name or have stayed a
few seconds. So nobody hears of a port scan.

Everything that happens in a room is an event. It gets its place in the order and the room's next number together. The
deliverer keeps each batch in the history before it sends it, so everything that anybody has seen is kept. If the
history cannot be written, the room goes on, and tells its members.
Not here: who may join or speak (hub, session), what bytes an event becomes (formats).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple, cast

from threadchat.base.errors import HistoryError
from threadchat.base.heartbeat import Heartbeat
from threadchat.chat.behind import Place
from threadchat.chat.catchup import CatchUp, go_on
from threadchat.chat.delivery import Post, Rewind, own_places, send_posts
from threadchat.chat.events import Event, Kind
from threadchat.chat.fanout import Fanout
from threadchat.chat.history import Gap, RoomHistory
from threadchat.chat.member import Member
from threadchat.chat.presence import Presence
from threadchat.chat.recent import Recent

#: The least time between two announcements, in seconds. In a large room it is longer: the second figure per member.
#: This limits what announcements cost, however many people come.
ANNOUNCE_SECONDS = 0.05
ANNOUNCE_SECONDS_PER_MEMBER = 0.001

#: A newcomer who has stayed this long, in seconds, is no stranger any more.
STRANGER_SECONDS = 3.0

#: How often a room whose history cannot be written tries again, in seconds.
KEEP_AGAIN_SECONDS = 1.0

#: Runs a function after a number of seconds, on a thread that is allowed to deliver.
Later = Callable[[float, Callable[[], None]], None]


class Settings(NamedTuple):
    """What all rooms of a chat have in common."""

    clock: Callable[[], float]  # monotonic seconds
    now: Callable[[], int]  # milliseconds since 1970, UTC
    later: Later
    replay: int = 20  # how many of the last lines a newcomer is shown


class Room:
    """One room. The hub adds and discards members; sessions say things."""

    def __init__(self, name: str, history: RoomHistory, settings: Settings, heartbeat: Heartbeat | None = None) -> None:
        self.name = name
        self.history = history
        self.fanout: Fanout[Member, Post | Rewind] = Fanout(self._deliver, heartbeat)
        self._clock, self._now, self._later, replay = settings
        self._recent = Recent(replay, history)
        self._catch_up = CatchUp(history, self.fanout, self._later)
        self._lock = threading.Lock()
        self._number = history.last  # the last number that was given to an event
        self._rewinds = 0  # how many rewinds are pending in the fan-out
        self._keep_again_at: float | None = None  # None: the last write to the history, if any, succeeded
        self._presence = Presence()
        self._announced_at = self._clock() - ANNOUNCE_SECONDS
        self._waiting = False  # an announcement is due later
        self._watching = False  # a look at the strangers is due later

    @property
    def number(self) -> int:
        """The last number that was given."""
        return self._number

    def say(self, author: Member, kind: Kind, lines: Sequence[str]) -> None:
        """Let *author* say or do something, in *lines*: everybody else in the room gets it."""
        text = "\n".join(lines)
        with self._lock:
            # Before somebody speaks, they are announced under the name that they have now.
            if not author.introduced:
                self._introduce(author)
            elected = author in self._presence.changes and self._announce()
            elected |= self._append(author, kind, author.name, text, len(lines))
        self.fanout.deliver(elected)

    def admit(self, member: Member, place: Place | None = None) -> None:
        """Add *member*. It hears nothing before :meth:`enter` or, if it had a *place*, before :meth:`go_on`."""
        self._catch_up.admit(member, place)

    def enter(self, member: Member) -> None:
        """Show an admitted *member* the last lines, and let it follow from there. Called by the member's own thread."""
        lines, data, upto = self._recent.replay(member.format)
        if lines:
            what = "last line" if lines == 1 else f"last {lines} lines"
            end = member.format.notice("That was before you came.")
            member.outlet.answer(member.format.notice(f"The {what} here:") + data + end)
        self._catch_up.begin(member, upto)

    def rewind(self, member: Member, position: int, header: str) -> None:
        """Show *member* a *header* and everything after the number *position*, and let it follow from there."""
        with self._lock:
            self._rewinds += 1
            elected = self.fanout.append(Rewind(member, position, self._number, header), size=0)
        self.fanout.deliver(elected)

    def go_on(self, member: Member) -> None:
        """Let *member*, who comes from another process, read on if it was behind there."""
        go_on(member)

    def joined(self, member: Member, name: str) -> None:
        """Announce that *member*, called *name*, has come. A stranger is not announced before it is introduced."""
        if not (member.named or member.introduced):
            self.await_introduction(member, name, self._clock() + STRANGER_SECONDS)
            return
        with self._lock:
            member.introduced = True
            self._presence.joined(member, name)
        self._announce_when_due()

    def await_introduction(self, member: Member, name: str, until: float) -> None:
        """Treat *member*, called *name*, who has just come, as a stranger, but not beyond the time *until*."""
        with self._lock:
            self._presence.stranger_joined(member, name, until)
            watching, self._watching = self._watching, True
        if not watching:
            self._later(until - self._clock(), self._introduce_overdue)

    def introduce(self, member: Member) -> None:
        """Announce *member*, unless it has been announced already: it has done something that only a person does."""
        if not member.introduced:
            with self._lock:
                self._introduce(member)
            self._announce_when_due()

    def stranger_until(self, member: Member) -> float:
        """Return the time until which a successor treats *member* as a stranger at most; 0 if it is no stranger."""
        return 0.0 if member.introduced else self._clock() + STRANGER_SECONDS

    def renamed(self, member: Member, before: str, name: str) -> None:
        """Announce that *member* is now called *name* instead of *before*."""
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
        """Introduce the strangers who have stayed long enough, and look again later if there are others."""
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
        """Make the announcements that are pending: now, or as soon as the last ones are long enough ago."""
        with self._lock:
            if self._waiting or not self._presence.changes:
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
        Give the pending announcements their place in the order. Return the result of Fanout.append.

        Caller holds the lock. So a member cannot speak after it is crossed off here and before it is announced.
        """
        self._announced_at = self._clock()
        elected = False
        for about, kind, text, size in self._presence.announce():
            elected |= self._append(about, kind, "", text, size)
        return elected

    def _append(self, author: Member | None, kind: Kind, name: str, text: str, size: int) -> bool:
        """Give an event of *size* lines its numbers and its place in the order. Caller holds the lock."""
        first = self._number + 1
        self._number += size
        # The same as Event(…) and Post(…), without a Python call for each: that saves a tenth of the work for a line.
        event = tuple.__new__(Event, (kind, first, size, self._now(), name, text))
        return self.fanout.append(tuple.__new__(Post, (author, event)), size=len(text))

    # Called by the deliverer -------------------------------------------------------------------

    def _deliver(self, batch: list[Post | Rewind], members: tuple[Member, ...]) -> None:
        """Keep and send *batch*. Events reach the history, and batches the members, only from here."""
        if not self._rewinds:  # nearly always
            self._deliver_posts(cast(list[Post], batch), members)
            return
        for is_rewind, items in groupby(batch, key=lambda item: isinstance(item, Rewind)):
            if is_rewind:
                rewinds = cast(Iterator[Rewind], items)
                members = self._rewind(list(rewinds), members)
            else:
                self._deliver_posts(list(cast(Iterator[Post], items)), members)

    def _deliver_posts(self, posts: list[Post], members: tuple[Member, ...]) -> None:
        own = own_places(posts)
        for author, places in own.items():
            if author.behind is not None:
                self._catch_up.note_own(author, [posts[place].event.number for place in places])
        events = [event for _, event in posts]
        trouble = self._keep(events)
        self._recent.add(events)
        for member in send_posts(posts, own, members):
            numbers = [posts[place].event.number for place in own.get(member, ())]
            self._catch_up.fall_behind(member, events[0].number - 1, numbers)
        if trouble:
            for member in self.fanout.members():
                member.offer(member.format.notice(trouble))  # if its queue is full: the history shows the gap

    def _rewind(self, rewinds: list[Rewind], members: tuple[Member, ...]) -> tuple[Member, ...]:
        """Let the members of *rewinds* read the history. Return the other *members*: they get the rest of the batch."""
        with self._lock:
            self._rewinds -= len(rewinds)
        for member, position, _, header in rewinds:
            self._catch_up.fall_behind(member, position, header=header)
        gone = {rewind.member for rewind in rewinds}
        return tuple([member for member in members if member not in gone])

    def _keep(self, events: list[Event]) -> str | None:
        """Keep *events*, or note that they are lost. Return what to tell everybody about it; None: nothing."""
        failed_before = self._keep_again_at is not None
        if self._keep_again_at is None or self._clock() >= self._keep_again_at:
            try:
                self.history.append(events)
            except HistoryError:  # the reason is for the log, not for the members
                self._keep_again_at = self._clock() + KEEP_AGAIN_SECONDS
            else:
                self._keep_again_at = None
                return "What is said here is kept again." if failed_before else None
        self.history.note_lost(Gap(events[0].number, events[-1].last))
        return None if failed_before else "What is said here is not being kept just now."
