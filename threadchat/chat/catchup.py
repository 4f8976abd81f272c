"""
Who is behind: a member that reads a room's history until it has everything, and then the room itself again.

A slow reader comes here when its queue has no room for a batch. So does whoever asks for what was said since a number,
and everybody who enters, for a moment. While behind, a member is paused in the fan-out. Each time it has taken all that
was sent, it gets the next piece of the history. When there is no more, it is resumed, exactly there.

:func:`go_on` may be called from any thread. One at a time works for a member, whoever comes first, whatever room the
member is in meanwhile. A member's place is set together with the pause, and cleared together with its end, under the
lock of its turn: so a paused member always has a place, and somebody who works on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from threadchat.base.errors import HistoryError
from threadchat.chat.behind import Behind, Place
from threadchat.chat.delivery import Post, Rewind
from threadchat.chat.fanout import Fanout
from threadchat.chat.history import RoomHistory
from threadchat.chat.member import Member

#: How much of the history is read, and queued, at a time, in bytes of text.
PIECE_BYTES = 64 * 1024

#: When to look again if the room has just taken a batch that is not in the history yet, in seconds.
_RETRY_SECONDS = 0.01


def go_on(member: Member) -> None:
    """Give *member* the next piece, if it is behind and has taken all before. Reads the history."""
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
        self._first = history.last  # nothing after this was taken before the fan-out's first batch

    def admit(self, member: Member, place: Place | None = None) -> None:
        """Add *member* to the fan-out, paused at *place*; with None, where it begins is said by :meth:`begin`."""
        behind = Behind(self, **place) if place else Behind(self)
        with member.turn.lock:
            self._fanout.add(member, paused=True)
            member.behind = behind

    def begin(self, member: Member, position: int) -> None:
        """Let *member*, who was admitted, and has everything up to *position*, read the rest. By its own thread."""
        if behind := member.behind:
            behind.move_to(position)
        go_on(member)

    def fall_behind(self, member: Member, position: int, own: Iterable[int] = (), header: str = "") -> None:
        """
        Let *member*, who has everything up to *position*, read the rest, behind a *header*. By the room's deliverer.

        *own* are the numbers of the events after that which the member has said itself. Whoever has left the room is
        left alone.
        """
        behind = Behind(self, position, own, header)
        with member.turn.lock:
            if not self._fanout.pause(member):
                return
            member.behind = behind
        if not member.outlet.when_drained(lambda: go_on(member)):
            self._later(0.0, lambda: go_on(member))  # not here: this thread has others to serve

    def note_own(self, member: Member, numbers: Iterable[int]) -> None:
        """Note that *member*, if it is behind here, says the events with these *numbers*. By the room's deliverer."""
        behind = member.behind
        if behind is not None and behind.catch_up is self:
            for number in numbers:
                behind.says(number)

    def advance(self, member: Member, behind: Behind) -> None:
        """Send *member* what comes next as long as it takes it. By one thread at a time: see :func:`go_on`."""
        while (
            member.behind is behind
            and behind.position is not None
            and not member.outlet.when_drained(lambda: go_on(member))
        ):
            if self._resume(member, behind, behind.position):
                return
            if not self._send_next(member, behind, behind.position):
                # The room has just taken a batch, which is about to be in the history.
                self._later(_RETRY_SECONDS, lambda: go_on(member))
                return

    def _resume(self, member: Member, behind: Behind, position: int) -> bool:
        """Let *member* hear the room itself again, if it has everything; return whether this is done with."""
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
        """Send the next piece of the history, and the header before; return whether there was anything."""
        header, behind.header = behind.header, ""
        data = member.format.notice(header) if header else b""
        last = self._history.last  # before it is read: what comes after that is for the next piece
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
        """Return how far the next piece goes, and the piece; the room has used the numbers up to *last*."""
        wire = member.format
        try:
            events = self._history.read(position, PIECE_BYTES)
        except HistoryError:
            what = f"#{last}" if last == position + 1 else f"#{position + 1} to #{last}"
            return last, wire.notice(f"{what} cannot be read just now. Try /since {position} later.")
        upto = events[-1].last if events else last
        gaps = self._history.gaps(position, upto)
        if gaps:  # who came and went among talk that is missing is of no interest any more
            events = [event for event in events if not any(first <= event.number <= last for first, last in gaps)]
        pieces = [(gap.first, wire.gap(gap)) for gap in gaps]
        pieces += [(event.number, wire.event(event)) for event in events if not behind.said(event.number)]
        return upto, b"".join([piece for _, piece in sorted(pieces)])
