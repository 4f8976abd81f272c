"""A room: announcements spaced in time, and never after what they are about."""

from __future__ import annotations

import random
import threading
import time

import pytest

from tests.fakes import FakeClock, FakeLater, ListSink
from threadchat.chat.member import Member
from threadchat.chat.room import ANNOUNCE_SECONDS, ANNOUNCE_SECONDS_PER_MEMBER, Room


class Lobby:
    """A room with a clock of its own, and ann in it, who hears everything."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.later = FakeLater(self.clock)
        self.room = Room("lobby", self.clock, self.later)
        self.ann = ListSink()
        self.room.fanout.add(Member("ann", self.ann.send))

    def joins(self, name: str) -> Member:
        """Return a new member called *name*."""
        member = Member(name, ListSink().send)
        self.room.fanout.add(member)
        self.room.joined(member, name)
        return member

    def heard(self) -> list[str]:
        """Return what ann has heard since the last call."""
        lines = self.ann.lines
        self.ann.pieces.clear()
        return lines


@pytest.fixture
def lobby() -> Lobby:
    """A quiet room."""
    return Lobby()


def test_the_first_to_come_is_announced_at_once(lobby: Lobby) -> None:
    """In a quiet room nobody waits."""
    lobby.joins("bob")
    assert lobby.heard() == ["* bob joined"]
    assert len(lobby.later) == 0


def test_those_who_come_together_are_announced_together(lobby: Lobby) -> None:
    """After the first announcement the next waits, collecting, and one timer is enough for all."""
    for number in range(13):
        lobby.joins(f"p{number}")
    assert lobby.heard() == ["* p0 joined"]
    assert len(lobby.later) == 1
    lobby.later.pass_time(1.0)
    assert lobby.heard() == ["* 12 people joined"]


def test_announcements_are_a_pause_apart(lobby: Lobby) -> None:
    """Not before the pause is over, and at its end."""
    lobby.joins("bob")
    lobby.joins("eve")
    lobby.later.pass_time(ANNOUNCE_SECONDS * 0.9)
    assert lobby.heard() == ["* bob joined"]
    lobby.later.pass_time(ANNOUNCE_SECONDS * 0.2)
    assert lobby.heard() == ["* eve joined"]
    lobby.later.pass_time(ANNOUNCE_SECONDS * 1.1)
    lobby.joins("dan")
    assert lobby.heard() == ["* dan joined"]


def test_the_pause_grows_with_the_room(lobby: Lobby) -> None:
    """What announcements cost is bounded, however many they reach."""
    lobby.joins("bob")
    for _ in range(1000):
        lobby.room.fanout.add(Member("crowd", ListSink().send))
    lobby.joins("eve")
    lobby.later.pass_time(1000 * ANNOUNCE_SECONDS_PER_MEMBER * 0.9)
    assert lobby.heard() == ["* bob joined"]
    lobby.later.pass_time(1000 * ANNOUNCE_SECONDS_PER_MEMBER * 0.2)
    assert lobby.heard() == ["* eve joined"]


def test_who_comes_and_goes_in_the_pause_is_never_mentioned(lobby: Lobby) -> None:
    """Nothing is left to announce, and no empty line is said."""
    lobby.joins("bob")
    scanner = lobby.joins("guest-7")
    lobby.room.fanout.discard(scanner)
    lobby.room.left(scanner, "guest-7")
    lobby.later.pass_time(1.0)
    assert lobby.heard() == ["* bob joined"]


def test_nobody_speaks_before_being_announced(lobby: Lobby) -> None:
    """Who speaks in the pause is announced first, and not once more when it is over."""
    lobby.joins("bob")
    eve = lobby.joins("eve")
    lobby.room.say(eve, b"eve: hi\n")
    assert lobby.heard() == ["* bob joined", "* eve joined", "eve: hi"]
    lobby.later.pass_time(1.0)
    assert lobby.heard() == []


def test_nobody_speaks_under_a_name_not_announced(lobby: Lobby) -> None:
    """A new name is announced before a line that bears it."""
    bob = lobby.joins("bob")
    lobby.room.renamed(bob, "bob", "rob")
    lobby.room.say(bob, b"rob: hi\n")
    assert lobby.heard() == ["* bob joined", "* bob is now rob", "rob: hi"]


def test_the_announced_speak_without_announcing_others(lobby: Lobby) -> None:
    """A line of somebody known does not end the pause of those who have just come."""
    bob = lobby.joins("bob")
    lobby.joins("eve")
    lobby.room.say(bob, b"bob: hi\n")
    assert lobby.heard() == ["* bob joined", "bob: hi"]


def test_nobody_hears_their_own_coming(lobby: Lobby) -> None:
    """The newcomer knows."""
    sink = ListSink()
    bob = Member("bob", sink.send)
    lobby.room.fanout.add(bob)
    lobby.room.joined(bob, "bob")
    assert sink.lines == []


class DallyingLock:
    """A lock whose holder dallies after letting go, so that others get in between it and what it does next."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()
        time.sleep(random.random() * 0.001)  # not to wait for anything: to be late


def test_nobody_speaks_before_being_announced_whoever_announces_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that speak in the pause announce each other: still every name comes before its lines."""
    names = ["p0", "p1", "p2", "p3"]
    for _ in range(30):
        lobby = Lobby()
        monkeypatch.setattr(lobby.room, "_lock", DallyingLock())
        lobby.joins("bob")
        barrier = threading.Barrier(len(names))

        def come_and_speak(name: str, lobby: Lobby = lobby, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            lobby.room.say(lobby.joins(name), f"{name}: hi\n".encode())

        threads = [threading.Thread(target=come_and_speak, args=(name,)) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        heard = lobby.heard()
        for name in names:
            known = heard[: heard.index(f"{name}: hi")]
            assert any(line in known for line in (f"* {name} joined", "* 4 people joined")), heard
