"""Comings and goings: net changes only, in as few lines as will do."""

from __future__ import annotations

import pytest

from tests.fakes import ListSink
from threadchat.chat.events import Event
from threadchat.chat.formats import MAX_NAMED, plain
from threadchat.chat.member import Member
from threadchat.chat.presence import Presence


def people(count: int) -> list[Member]:
    """Return so many members, whom nobody has been told of."""
    return [Member(f"p{number}", ListSink()) for number in range(count)]


def announced(presence: Presence) -> list[str]:
    """Return the lines that are announced now."""
    events = [Event(kind, 1, size, 0, "", text) for _, kind, text, size in presence.announce()]
    return b"".join(map(plain().event, events)).decode().splitlines()


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ([(None, "ann")], ["* ann joined"]),
        ([("ann", None)], ["* ann left"]),
        ([("ann", "eve")], ["* ann is now eve"]),
        ([(None, "guest-1"), ("guest-1", "ann")], ["* ann joined"]),  # named themselves at once
        ([(None, "ann"), ("ann", None)], []),  # thought better of it
        ([("ann", None), (None, "ann")], []),  # away for a moment
        ([("ann", "eve"), ("eve", "ann")], []),
        ([("ann", "bea"), ("bea", "eve")], ["* ann is now eve"]),
        ([("ann", "eve"), ("eve", None)], ["* ann is now eve", "* eve left"]),  # some know one name, some the other
        ([("ann", None), (None, "eve")], ["* ann is now eve"]),
        ([(None, "a"), ("a", None), (None, "b")], ["* b joined"]),
    ],
)
def test_the_net_change_is_announced(changes: list[tuple[str | None, str | None]], line: list[str]) -> None:
    """What was done and undone between two announcements is not worth a line."""
    presence, (person,) = Presence(), people(1)
    for before, after in changes:
        if before is None:
            presence.joined(person, str(after))
        elif after is None:
            presence.left(person, before)
        else:
            presence.renamed(person, before, after)
    assert (person in presence.changes) == bool(line)
    assert announced(presence) == line


def test_what_has_been_announced_is_forgotten() -> None:
    """The next announcement tells only what came after; a leave then is a leave of its own."""
    presence, (person,) = Presence(), people(1)
    presence.joined(person, "ann")
    assert announced(presence) == ["* ann joined"]
    assert announced(presence) == []
    presence.left(person, "ann")
    assert announced(presence) == ["* ann left"]


def test_who_goes_to_another_room_has_not_quit() -> None:
    """The others are told where they can follow; who comes back at once was never away."""
    presence, (ann, bob, eve) = Presence(), people(3)
    presence.left(ann, "ann", to="den")
    presence.left(bob, "bob", to="den")
    presence.joined(bob, "bob")
    presence.renamed(eve, "eve", "rob")
    presence.left(eve, "rob", to="den")
    assert announced(presence) == ["* ann left for den", "* eve is now rob", "* rob left for den"]


def test_a_few_are_named() -> None:
    """Up to the limit, a line each, in the order they came."""
    presence = Presence()
    for person in people(MAX_NAMED):
        presence.joined(person, person.name)
    assert announced(presence) == [f"* p{number} joined" for number in range(MAX_NAMED)]


def test_many_are_one_line() -> None:
    """Twelve joins are one line with their number."""
    presence = Presence()
    for person in people(12):
        presence.joined(person, person.name)
    assert announced(presence) == ["* 12 people joined"]


def test_each_kind_is_condensed_by_itself() -> None:
    """Leaves first, then renames, then joins: a name is free before it is taken."""
    presence, crowd = Presence(), people(11)
    for person in crowd[:5]:
        presence.left(person, person.name)
    presence.renamed(crowd[5], crowd[5].name, "eve")
    for person in crowd[6:]:
        presence.joined(person, person.name)
    assert announced(presence) == ["* 5 people left", "* p5 is now eve", "* 5 people joined"]


def test_a_name_that_changed_hands_is_left_before_it_is_taken() -> None:
    """Ann left, and bob calls himself ann: told the other way round, the new ann would seem to leave."""
    presence, (ann, bob) = Presence(), people(2)
    presence.left(ann, "ann")
    presence.renamed(bob, "bob", "ann")
    assert announced(presence) == ["* ann left", "* bob is now ann"]


def test_nobody_is_told_of_themselves_while_named() -> None:
    """The subject of a line is what it is about; a condensed line is for everybody."""
    presence, crowd = Presence(), people(MAX_NAMED + 1)
    presence.joined(crowd[0], "ann")
    assert [news.about for news in presence.announce()] == [crowd[0]]
    for person in crowd:
        presence.joined(person, person.name)
    assert [news.about for news in presence.announce()] == [None]


class TestStrangers:
    """Those who have come, and of whom nothing is known yet."""

    def test_nothing_is_announced_of_one_who_leaves_as_one(self) -> None:
        """There is no change to a room in which nobody was known."""
        presence, (scanner,) = Presence(), people(1)
        presence.stranger_joined(scanner, scanner.name, until=3.0)
        assert not presence.changes
        presence.left(scanner, scanner.name)
        assert not presence.changes
        assert presence.next_due() is None

    def test_one_who_is_introduced_has_come(self) -> None:
        """Once; under the name of then."""
        presence, (guest,) = Presence(), people(1)
        presence.stranger_joined(guest, "guest-2", until=3.0)
        for _ in range(2):
            presence.introduce(guest)
        assert announced(presence) == ["* guest-2 joined"]
        presence.introduce(guest)
        assert not presence.changes

    def test_those_who_have_stayed_long_enough_are_known_in_order(self) -> None:
        """They are strangers still, until they are introduced."""
        presence, crowd = Presence(), people(4)
        for number, person in enumerate(crowd):
            presence.stranger_joined(person, person.name, until=float(number))
        assert presence.overdue(1.5) == crowd[:2]
        presence.introduce(crowd[0])
        assert presence.overdue(1.5) == crowd[1:2]
        assert presence.next_due() == 1.0
