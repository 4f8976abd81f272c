"""
Who is behind: a member that reads a room's history until it has everything, and then the room itself again.

A slow reader comes here when its queue has no room for a batch. So does whoever asks for what was said since a number,
and everybody who enters, for a moment. While behind, a member is paused in the fan-out. Each time it has taken all that
was sent, it gets the next piece of the history. When there is no more, it is resumed, exactly there.

:meth:`CatchUp.go_on` may be called from any thread; one at a time works for a member, whoever comes first.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from threadchat.base.errors import HistoryError
from threadchat.chat.delivery import Post
from threadchat.chat.fanout import Fanout
from threadchat.chat.history import RoomHistory
from threadchat.chat.member import Member

#: How much of the history is read, and queued, at a time, in bytes of text.
PIECE_BYTES = 64 * 1024

#: When to look again if the room has just taken a batch that is not in the history yet, in seconds.
_RETRY_SECONDS = 0.01


class Behind:
    """How far a member has got."""

    __slots__ = ("_busy", "_lock", "_own", "_wanted", "position")

    def __init__(self, position: int, own: Iterable[tuple[int, int]] = ()) -> None:
        self.position = position  # it has everything up to this number
        self._own = list(own)  # what it has said itself since, as first and last numbers
        self._lock = threading.Lock()
        self._busy = False
        self._wanted = False

    def begin(self) -> bool:
        """Ask for work; return whether the caller is to do it. If not, somebody is at it, and will look again."""
        with self._lock:
            self._wanted = True
            begins, self._busy = not self._busy, True
            return begins

    def again(self) -> bool:
        """Return whether there is work, for whoever does it; False ends that."""
        with self._lock:
            again, self._wanted = self._wanted, False
            self._busy = again
            return again

    def says(self, first: int, last: int) -> None:
        """Note what the member says itself. By the room's deliverer, before that is kept."""
        with self._lock:
            self._own.append((first, last))

    def said(self, number: int) -> bool:
        """Return whether the member itself has said what has that *number*."""
        with self._lock:
            return any(first <= number <= last for first, last in self._own)

    def state(self) -> tuple[int, list[tuple[int, int]]]:
        """Return what another one needs to go on."""
        with self._lock:
            return self.position, [(first, last) for first, last in self._own if last > self.position]


class CatchUp:
    """The members of one room that are behind."""

    def __init__(
        self, history: RoomHistory, fanout: Fanout[Member, Post], later: Callable[[float, Callable[[], None]], None]
    ) -> None:
        self._history = history
        self._fanout = fanout
        self._later = later
        self._first = history.last  # nothing after this was taken before the fan-out's first batch

    def fall_behind(self, member: Member, position: int) -> None:
        """Let *member*, who has everything up to *position*, read the rest. By the room's deliverer."""
        member.behind = Behind(position)
        self._fanout.pause(member)
        self._when_drained(member)

    def go_on(self, member: Member) -> None:
        """Give *member* the next piece, if it is behind and has taken all before."""
        behind = member.behind
        if behind is not None and behind.begin():
            while behind.again():
                self._advance(member, behind)

    def _when_drained(self, member: Member) -> None:
        if not member.outlet.when_drained(lambda: self.go_on(member)):
            self._later(0.0, lambda: self.go_on(member))  # not here: this thread has others to serve

    def _advance(self, member: Member, behind: Behind) -> None:
        while not member.outlet.when_drained(lambda: self.go_on(member)):
            if self._fanout.resume(member, lambda last: behind.position >= (last.last if last else self._first)):
                member.behind = None
                return
            try:
                if not self._send_next(member, behind):
                    self._later(_RETRY_SECONDS, lambda: self.go_on(member))
                    return
            except HistoryError as problem:
                # What cannot be read is a gap. The numbers that nobody can read now may be readable for others later.
                member.notice(f"What was said here after #{behind.position} cannot be read just now: {problem}")
                behind.position = self._history.last

    def _send_next(self, member: Member, behind: Behind) -> bool:
        """Send the next piece of the history; return whether there was one."""
        events = self._history.read(behind.position, PIECE_BYTES)
        upto = events[-1].last if events else self._history.last
        if upto <= behind.position:
            return False
        pieces = [(gap.first, member.format.gap(gap)) for gap in self._history.gaps(behind.position, upto)]
        pieces += [(event.number, member.format.event(event)) for event in events if not behind.said(event.number)]
        behind.position = upto
        member.outlet.send(b"".join(piece for _, piece in sorted(pieces)))
        return True
