"""
Who is behind: a member that reads a room's history until it has everything, and then the room itself again.

A slow reader comes here when its queue has no room for a batch. So does whoever asks for what was said since a number,
and everybody who enters, for a moment. While behind, a member is paused in the fan-out. Each time it has taken all that
was sent, it gets the next piece of the history. When there is no more, it is resumed, exactly there.

:meth:`CatchUp.go_on` may be called from any thread; one at a time works for a member, whoever comes first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from threadchat.base.errors import HistoryError
from threadchat.chat.behind import Behind
from threadchat.chat.delivery import Post, Rewind
from threadchat.chat.fanout import Fanout
from threadchat.chat.history import RoomHistory
from threadchat.chat.member import Member

#: How much of the history is read, and queued, at a time, in bytes of text.
PIECE_BYTES = 64 * 1024

#: When to look again if the room has just taken a batch that is not in the history yet, in seconds.
_RETRY_SECONDS = 0.01


class CatchUp:
    """The members of one room that are behind."""

    def __init__(
        self,
        history: RoomHistory,
        fanout: Fanout[Member, Post | Rewind],
        later: Callable[[float, Callable[[], None]], None],
    ) -> None:
        self._history = history
        self._fanout = fanout
        self._later = later
        self._first = history.last  # nothing after this was taken before the fan-out's first batch

    def fall_behind(self, member: Member, position: int, own: Iterable[tuple[int, int]] = ()) -> None:
        """
        Let *member*, who has everything up to *position*, read the rest. By the room's deliverer.

        *own* is what the member has said itself after that, as first and last numbers.
        """
        member.behind = Behind(position, own)
        self._fanout.pause(member)
        if not member.outlet.when_drained(lambda: self.go_on(member)):
            self._later(0.0, lambda: self.go_on(member))  # not here: this thread has others to serve

    def go_on(self, member: Member) -> None:
        """Give *member* the next piece, if it is behind and has taken all before. Reads the history."""
        behind = member.behind
        if behind is not None and behind.begin():
            while behind.again():
                self._advance(member, behind)

    def _advance(self, member: Member, behind: Behind) -> None:
        while member.behind is behind and not member.outlet.when_drained(lambda: self.go_on(member)):
            if self._fanout.resume(member, lambda last: behind.position >= (last.last if last else self._first)):
                if member.behind is behind:
                    member.behind = None
                return
            if not self._send_next(member, behind):
                # The room has just taken a batch, which is about to be in the history.
                self._later(_RETRY_SECONDS, lambda: self.go_on(member))
                return

    def _send_next(self, member: Member, behind: Behind) -> bool:
        """Send the next piece of the history; return whether there was one."""
        try:
            events = self._history.read(behind.position, PIECE_BYTES)
        except HistoryError as problem:
            member.notice(f"What came after #{behind.position} cannot be read just now: {problem}")
            behind.position = self._history.last
            return True
        upto = events[-1].last if events else self._history.last
        if upto <= behind.position:
            return False
        pieces = [(gap.first, member.format.gap(gap)) for gap in self._history.gaps(behind.position, upto)]
        pieces += [(event.number, member.format.event(event)) for event in events if not behind.said(event.number)]
        behind.position = upto
        member.outlet.send(b"".join([piece for _, piece in sorted(pieces)]))
        return True
