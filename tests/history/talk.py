"""People who talk in a room whose history is tested."""

from __future__ import annotations

from collections.abc import Sequence

from threadchat.chat.events import Event, Kind
from threadchat.chat.history import Gap, RoomHistory

#: When the tests take place, in milliseconds since 1970.
NOW = 1_764_108_818_000


class Talk:
    """Makes events with a room's next numbers, and keeps them."""

    def __init__(self, room: RoomHistory, at: int = NOW) -> None:
        self.room = room
        self.at = at

    def event(self, kind: Kind, *lines: str, name: str = "alice") -> Event:
        """Return an event with the next number."""
        return Event(kind, self.room.last + 1, len(lines), self.at, name, "\n".join(lines))

    def happens(self, kind: Kind, *lines: str, name: str = "alice") -> Event:
        """Have one event of so many *lines* kept."""
        event = self.event(kind, *lines, name=name)
        self.room.append([event])
        return event

    def says(self, *lines: str, name: str = "alice") -> Event:
        """Have *lines* kept that *name* says at once."""
        return self.happens(Kind.SAID, *lines, name=name)

    def loses(self, lines: int) -> Gap:
        """Have so many *lines* lost."""
        gap = Gap(self.room.last + 1, self.room.last + lines)
        self.room.note_lost(gap)
        return gap


def texts(events: Sequence[Event]) -> list[str]:
    """Return the lines of *events*."""
    return [line for event in events for line in event.lines]
