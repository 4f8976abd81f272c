"""A room: announcements spaced in time, and never after what they are about."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence

import pytest

from tests.chat.people import settings
from tests.chat.rooms import OneRoom
from tests.fakes import FakeClock, FakeLater, ListSink
from threadchat.chat.events import Event, Kind
from threadchat.chat.history import Gap
from threadchat.chat.member import Member
from threadchat.chat.room import (
    ANNOUNCE_SECONDS,
    ANNOUNCE_SECONDS_PER_MEMBER,
    KEEP_AGAIN_SECONDS,
    STRANGER_SECONDS,
    Room,
)
from threadchat.history.memory import MemoryHistory


class Lobby:
    """A room with a clock of its own, and ann in it, who hears everything."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.later = FakeLater(self.clock)
        self.room = Room("lobby", MemoryHistory().room("lobby"), settings(self.clock, self.later))
        self.ann = ListSink()
        self.room.fanout.add(Member("ann", self.ann))

    def joins(self, name: str) -> Member:
        """Return a new member, who has named themselves *name*."""
        return self._enters(name, named=True)

    def stranger(self, name: str) -> Member:
        """Return a newcomer of whom nothing is known, called *name* by the server."""
        return self._enters(name, named=False)

    def leaves(self, member: Member) -> None:
        """End the connection of *member*."""
        self.room.fanout.discard(member)
        self.room.left(member, member.name)

    def _enters(self, name: str, named: bool) -> Member:
        member = Member(name, ListSink())
        member.named = named
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
        lobby.room.fanout.add(Member("crowd", ListSink()))
    lobby.joins("eve")
    lobby.later.pass_time(1000 * ANNOUNCE_SECONDS_PER_MEMBER * 0.9)
    assert lobby.heard() == ["* bob joined"]
    lobby.later.pass_time(1000 * ANNOUNCE_SECONDS_PER_MEMBER * 0.2)
    assert lobby.heard() == ["* eve joined"]


def test_who_comes_and_goes_in_the_pause_is_never_mentioned(lobby: Lobby) -> None:
    """Nothing is left to announce, and no empty line is said."""
    lobby.joins("bob")
    lobby.leaves(lobby.joins("eve"))
    lobby.later.pass_time(1.0)
    assert lobby.heard() == ["* bob joined"]


def test_nobody_speaks_before_being_announced(lobby: Lobby) -> None:
    """Who speaks in the pause is announced first, and not once more when it is over."""
    lobby.joins("bob")
    eve = lobby.joins("eve")
    lobby.room.say(eve, Kind.SAID, ["hi"])
    assert lobby.heard() == ["* bob joined", "* eve joined", "eve: hi"]
    lobby.later.pass_time(1.0)
    assert lobby.heard() == []


def test_nobody_speaks_under_a_name_not_announced(lobby: Lobby) -> None:
    """A new name is announced before a line that bears it."""
    bob = lobby.joins("bob")
    bob.name = "rob"
    lobby.room.renamed(bob, "bob", "rob")
    lobby.room.say(bob, Kind.SAID, ["hi"])
    assert lobby.heard() == ["* bob joined", "* bob is now rob", "rob: hi"]


def test_the_announced_speak_without_announcing_others(lobby: Lobby) -> None:
    """A line of somebody known does not end the pause of those who have just come."""
    bob = lobby.joins("bob")
    lobby.joins("eve")
    lobby.room.say(bob, Kind.SAID, ["hi"])
    assert lobby.heard() == ["* bob joined", "bob: hi"]


def test_nobody_hears_their_own_coming(lobby: Lobby) -> None:
    """The newcomer knows."""
    sink = ListSink()
    bob = Member("bob", sink)
    lobby.room.fanout.add(bob)
    lobby.room.joined(bob, "bob")
    assert sink.lines == []


class TestStrangers:
    """Newcomers of whom nothing is known yet: most of them are port scanners, or will speak soon."""

    def test_one_who_leaves_soon_is_never_mentioned(self, lobby: Lobby) -> None:
        """Neither coming nor going, and no timer stays."""
        for number in range(17):
            lobby.leaves(lobby.stranger(f"guest-{number}"))
            lobby.later.pass_time(0.1)
        lobby.later.pass_time(STRANGER_SECONDS)
        assert lobby.heard() == []
        assert len(lobby.later) == 0

    def test_one_who_stays_is_announced(self, lobby: Lobby) -> None:
        """After so many seconds, not before; and is no stranger any more when they leave."""
        silent = lobby.stranger("guest-2")
        lobby.later.pass_time(STRANGER_SECONDS * 0.9)
        assert lobby.heard() == []
        lobby.later.pass_time(STRANGER_SECONDS * 0.2)
        assert lobby.heard() == ["* guest-2 joined"]
        lobby.later.pass_time(1.0)
        lobby.leaves(silent)
        assert lobby.heard() == ["* guest-2 left"]

    def test_each_has_their_own_time(self, lobby: Lobby) -> None:
        """One timer is enough for all."""
        for number in range(3):
            lobby.stranger(f"guest-{number}")
            lobby.later.pass_time(STRANGER_SECONDS * 0.4)
            assert len(lobby.later) == 1
        assert lobby.heard() == ["* guest-0 joined"]
        lobby.later.pass_time(STRANGER_SECONDS * 0.4)
        assert lobby.heard() == ["* guest-1 joined"]
        lobby.later.pass_time(STRANGER_SECONDS * 0.4)
        assert lobby.heard() == ["* guest-2 joined"]
        assert len(lobby.later) == 0

    def test_many_who_stay_are_one_line(self, lobby: Lobby) -> None:
        """As many who come with a name are."""
        for number in range(100):
            lobby.stranger(f"guest-{number}")
        lobby.later.pass_time(STRANGER_SECONDS)
        assert lobby.heard() == ["* 100 people joined"]

    def test_one_who_speaks_is_announced_first(self, lobby: Lobby) -> None:
        """At once, alone, and only once."""
        lobby.stranger("guest-2")
        eve = lobby.stranger("guest-3")
        lobby.room.say(eve, Kind.SAID, ["hi"])
        assert lobby.heard() == ["* guest-3 joined", "guest-3: hi"]
        lobby.leaves(eve)
        assert lobby.heard() == []  # not yet: the last announcement was just now
        lobby.later.pass_time(STRANGER_SECONDS)
        assert lobby.heard() == ["* guest-3 left", "* guest-2 joined"]

    def test_one_who_takes_a_name_is_announced_under_it(self, lobby: Lobby) -> None:
        """At once."""
        guest = lobby.stranger("guest-2")
        guest.name, guest.named = "eve", True
        lobby.room.renamed(guest, "guest-2", "eve")
        lobby.later.pass_time(STRANGER_SECONDS)
        assert lobby.heard() == ["* eve joined"]

    def test_one_who_does_something_else_that_people_do_is_introduced(self, lobby: Lobby) -> None:
        """Whatever that is, and once."""
        guest = lobby.stranger("guest-2")
        lobby.room.introduce(guest)
        lobby.room.introduce(guest)
        lobby.later.pass_time(STRANGER_SECONDS)
        assert lobby.heard() == ["* guest-2 joined"]

    def test_who_is_known_is_announced_in_the_next_room_at_once(self, lobby: Lobby) -> None:
        """Though they are a guest still; a stranger is a stranger there too."""
        known, stranger = lobby.stranger("guest-2"), lobby.stranger("guest-3")
        lobby.room.say(known, Kind.SAID, ["hi"])
        other = Lobby()
        for guest in (known, stranger):
            lobby.leaves(guest)
            other.room.fanout.add(guest)
            other.room.joined(guest, guest.name)
        assert other.heard() == ["* guest-2 joined"]
        other.later.pass_time(STRANGER_SECONDS)
        assert other.heard() == ["* guest-3 joined"]

    def test_a_successor_takes_them_for_what_they_are(self, lobby: Lobby) -> None:
        """For as long as a newcomer of that moment; who has been introduced is no stranger."""
        known, stranger = lobby.joins("ann"), lobby.stranger("guest-3")
        assert lobby.room.stranger_until(known) == 0.0
        assert lobby.room.stranger_until(stranger) == lobby.clock.now + STRANGER_SECONDS


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
            lobby.room.say(lobby.joins(name), Kind.SAID, ["hi"])

        threads = [threading.Thread(target=come_and_speak, args=(name,)) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        heard = lobby.heard()
        for name in names:
            known = heard[: heard.index(f"{name}: hi")]
            assert any(line in known for line in (f"* {name} joined", "* 4 people joined")), heard


class TestHistory:
    """What happens is numbered, then kept, then sent."""

    def test_numbers_are_dense_over_all_that_happens(self) -> None:
        """Comings and goings have numbers, too; and several lines have several."""
        lobby = OneRoom()
        ann = lobby.enters("ann")
        bob = lobby.enters("bob")
        lobby.room.joined(bob.member, "bob")
        lobby.says(bob, "a", "b")
        lobby.room.say(bob.member, Kind.DID, ["waves"])
        assert ann.sees() == ["#1 * bob joined", "#2 bob: a", "#3 bob: b", "#4 ** bob waves"]
        assert lobby.room.number == lobby.room.history.last == 4

    def test_nobody_sees_what_is_not_kept_yet(self, monkeypatch: pytest.MonkeyPatch) -> None:
        lobby = OneRoom()
        ann, bob = lobby.enters("ann"), lobby.enters("bob")
        append = lobby.room.history.append

        def nothing_seen_before(events: Sequence[Event]) -> None:
            assert ann.sees() == []
            append(events)

        monkeypatch.setattr(lobby.room.history, "append", nothing_seen_before)
        lobby.says(bob, "a")
        assert ann.sees() == ["#1 bob: a"]
        assert [event.text for event in lobby.room.history.read(0, 100)] == ["a"]

    def test_a_failing_history_is_told_once_and_once_when_it_works(self) -> None:
        """Nobody misses a line; the numbers that are lost are known."""
        lobby = OneRoom()
        ann, bob = lobby.enters("ann"), lobby.enters("bob")
        lobby.history.failing = {"written"}
        for text in "abc":
            lobby.says(bob, text)
            lobby.clock.advance(KEEP_AGAIN_SECONDS)
        lobby.history.failing = set()
        lobby.says(bob, "d")
        lobby.says(bob, "e")
        assert ann.sees() == [
            "#1 bob: a",
            "* What is said here is not being kept just now.",
            "#2 bob: b",
            "#3 bob: c",
            "#4 bob: d",
            "* What is said here is kept again.",
            "#5 bob: e",
        ]
        assert lobby.room.history.gaps(0, 5) == [Gap(1, 3)]

    def test_a_failing_history_is_not_asked_for_every_line(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Once a second is enough: each attempt may take long."""
        lobby = OneRoom()
        bob = lobby.enters("bob")
        lobby.history.failing = {"written"}
        attempts: list[str] = []
        monkeypatch.setattr(lobby.history, "check", attempts.append)
        lobby.room._keep_again_at = lobby.clock.now + KEEP_AGAIN_SECONDS
        for text in "abc":
            lobby.says(bob, text)
        assert attempts == []
        lobby.clock.advance(KEEP_AGAIN_SECONDS)
        lobby.says(bob, "d")
        assert attempts == ["written"]

    def test_whoever_lags_is_told_by_the_gap(self) -> None:
        """A notice that they have no room for costs nobody their connection."""
        lobby = OneRoom()
        ann, bob = lobby.enters("ann"), lobby.enters("bob")
        ann.sink.full = True
        lobby.history.failing = {"written"}
        lobby.says(bob, "a", "b")
        assert ann.sees() == []
        ann.sink.drains()
        assert ann.sees() == ["* #1 to #2 are missing here: they are not kept."]

    def test_a_room_that_is_made_again_goes_on_with_its_numbers(self) -> None:
        lobby = OneRoom()
        lobby.says(lobby.enters("bob"), "a")
        again = Room("lobby", lobby.history.room("lobby"), settings(lobby.clock, lobby.later))
        assert again.number == 1
