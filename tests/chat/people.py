"""A chat without sockets: a hub with a clock of its own, and people who talk in it."""

from __future__ import annotations

import json
from collections.abc import Callable

from tests.fakes import FakeClock, ListSink
from threadchat.chat.history import History
from threadchat.chat.hub import Hub
from threadchat.chat.room import Later, Settings
from threadchat.chat.session import Session
from threadchat.history.memory import MemoryHistory

WELCOME = "Welcome to the chatroom!"


def at_once(clock: FakeClock) -> Later:
    """Return a timer for tests in which it does not matter when things are announced: time passes at once."""

    def later(seconds: float, action: Callable[[], None]) -> None:
        clock.advance(seconds)
        action()

    return later


def settings(clock: FakeClock, later: Later, replay: int = 20) -> Settings:
    """Return what rooms have in common, by a fake clock."""
    return Settings(clock, lambda: int(clock.now * 1000), later, replay)


def new_hub(clock: FakeClock, later: Later, history: History | None = None, replay: int = 20) -> Hub:
    """Return an empty chat, which remembers in memory."""
    return Hub(history or MemoryHistory(), settings(clock, later, replay))


class Person:
    """Somebody with a session, who says things and hears things."""

    def __init__(self, hub: Hub, ask_name: bool = False) -> None:
        self.sink = ListSink()
        self.hung_up = 0
        self.session = Session(hub, self.sink, self._hang_up, ask_name)
        self.session.greet(WELCOME)

    def _hang_up(self) -> None:
        self.hung_up += 1

    @property
    def name(self) -> str:
        """The name others see now."""
        return self.session.member.name

    def says(self, *lines: str) -> None:
        """Send *lines*, all in one read."""
        self.session.receive(list(lines))

    def hears(self) -> list[str]:
        """Return the lines that have come since the last call."""
        lines = self.sink.lines
        self.sink.pieces.clear()
        return lines

    def leaves(self) -> None:
        """End the connection."""
        self.session.leave()

    def moves_to(self, hub: Hub) -> None:
        """Go on in *hub*, another process's, but for :meth:`Session.resume`. What has not been heard yet stays."""
        state = json.loads(json.dumps(self.session.state()))
        full, self.sink = self.sink.full, ListSink()
        self.sink.full = full
        self.session = Session(hub, self.sink, self._hang_up)
        self.session.restore(state)


class Chat:
    """A hub, in which everything is announced at once, unless it is announced *later*."""

    def __init__(self, later: Later | None = None) -> None:
        clock = FakeClock()
        self.history: History = MemoryHistory()
        self.hub = new_hub(clock, at_once(clock) if later is None else later, self.history)

    def enter(self, name: str = "", ask_name: bool = False) -> Person:
        """Return a newcomer, called *name* if there is one; nobody has anything left to hear."""
        person = Person(self.hub, ask_name)
        if name:
            person.says(f"/nick {name}")
            person.hears()
        return person

    def of(self, *names: str) -> list[Person]:
        """Return people with these *names*, who have heard each other come in."""
        people = [self.enter(name) for name in names]
        for person in people:
            person.hears()
        return people
