"""
Members that are behind. Such a member reads the room's history until it has everything. Then it hears the room again.

A slow reader is behind when its queue has no room for a batch. A member that asks for everything since a number is
behind, too. So is a newcomer, for a moment. While a member is behind, it is paused in the fan-out. Each time it has
taken all that was sent, it gets the next piece of the history. When nothing is left, it is resumed exactly there.

:func:`go_on` may be called from any thread. One thread at a time works for a member: the one that comes first,
whichever room the member is in by then. A member's place is set when the pause begins, and cleared when it ends. Both
happen under the lock of its turn. So a paused member always has a place, and some thread works on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from threadchat.base.errors import HistoryError
from threadchat.chat.behind import Behind, Place
from threadchat.chat.delivery import Post, Rewind
from threadchat.chat.fanout import Fanout
from threadchat.chat.history import RoomHistory
from threadchat.chat.member import Member

#: How much of the history is read and queued at a time, in bytes of text.
PIECE_BYTES = 64 * 1024

#: The time to wait, in seconds, for a batch that the room has just taken to appear in the history.
_RETRY_SECONDS = 0.01


def go_on(member: Member) -> None:
    """Give *member* the next piece, if it is behind and has taken all that was sent before. Reads the history."""
    if member.turn.begin():
        while member.turn.again():
            if behind := member.behind:
                behind.catch_up.advance(member, behind)


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
        self._first = history.last  # the last number before the fan-out's first batch

    def admit(self, member: Member, place: Place | None = None) -> None:
        """Add *member* to the fan-out, paused at *place*. If that is None, :meth:`begin` sets the place."""
        behind = Behind(self, **place) if place else Behind(self)
        with member.turn.lock:
            self._fanout.add(member, paused=True)
            member.behind = behind

    def begin(self, member: Member, position: int) -> None:
        """Let an admitted *member*, who has everything up to *position*, read the rest. By the member's own thread."""
        if behind := member.behind:
            behind.move_to(position)
        go_on(member)

    def fall_behind(self, member: Member, position: int, own: Iterable[int] = (), header: str = "") -> None:
        """
        Let *member*, who has everything up to *position*, read a *header* and then the rest. By the room's deliverer.

        *own* are the numbers of later events that the member has said itself. If the member has left the room, nothing
        happens.
        """
        behind = Behind(self, position, own, header)
        with member.turn.lock:
            if not self._fanout.pause(member):
                return
            member.behind = behind
        if not member.outlet.when_drained(lambda: go_on(member)):
            self._later(0.0, lambda: go_on(member))  # not here: this thread has others to serve

    def note_own(self, member: Member, numbers: Iterable[int]) -> None:
        """If *member* is behind here, note that it says the events with these *numbers*. By the room's deliverer."""
        behind = member.behind
        if behind is not None and behind.catch_up is self:
            for number in numbers:
                behind.says(number)

    def advance(self, member: Member, behind: Behind) -> None:
        """Send *member* piece after piece, as long as it takes them. By one thread at a time: see :func:`go_on`."""
        while (
            member.behind is behind
            and behind.position is not None
            and not member.outlet.when_drained(lambda: go_on(member))
        ):
            if self._resume(member, behind, behind.position):
                return
            if not self._send_next(member, behind, behind.position):
                # The room has just taken a batch. It will be in the history in a moment.
                self._later(_RETRY_SECONDS, lambda: go_on(member))
                return

    def _resume(self, member: Member, behind: Behind, position: int) -> bool:
        """Let *member* hear the room again if it has everything. Return whether *behind* is over."""
        if behind.header:
            return False
        with member.turn.lock:
            if member.behind is not behind:
                return True
            resumed = self._fanout.resume(member, lambda last: position >= (last.last if last else self._first))
            if resumed:
                member.behind = None
        if resumed:
            member.outlet.caught_up()
        return resumed

    def _send_next(self, member: Member, behind: Behind, position: int) -> bool:
        """Send the header, if it is still due, and the next piece of the history. Return whether there was either."""
        header, behind.header = behind.header, ""
        data = member.format.notice(header) if header else b""
        last = self._history.last  # taken before the read: later events are for the next piece
        if last > position:
            upto, piece = self._read(member, behind, position, last)
            behind.move_to(upto)
            data += piece
        elif not header:
            return False
        if data:
            member.outlet.answer(data)
        return True

    def _read(self, member: Member, behind: Behind, position: int, last: int) -> tuple[int, bytes]:
        """Return the last number of the next piece, and the piece. *last* is the last number the room has used."""
        wire = member.format
        try:
            events = self._history.read(position, PIECE_BYTES)
        except HistoryError:
            what = f"#{last}" if last == position + 1 else f"#{position + 1} to #{last}"
            return last, wire.notice(f"{what} cannot be read just now. Try /since {position} later.")
        upto = events[-1].last if events else last
        gaps = self._history.gaps(position, upto)
        if gaps:  # where talk is missing, leave out who came and went
            events = [event for event in events if not any(first <= event.number <= last for first, last in gaps)]
        pieces = [(gap.first, wire.gap(gap)) for gap in gaps]
        pieces += [(event.number, wire.event(event)) for event in events if not behind.said(event.number)]
        return upto, b"".join([piece for _, piece in sorted(pieces)])
