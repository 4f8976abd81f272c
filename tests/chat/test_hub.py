"""The hub: names unique for all, rooms that come and go, and threads that want the same thing at once."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable

import pytest

from tests.chat.people import at_once, new_hub
from tests.fakes import FakeClock, FakeLater, ListSink
from threadchat.base.errors import ChatError
from threadchat.chat.events import Kind
from threadchat.chat.formats import plain
from threadchat.chat.hub import DEFAULT_ROOM, Hub, list_names
from threadchat.chat.member import Member


@pytest.fixture
def clock() -> FakeClock:
    """The hub's clock."""
    return FakeClock()


@pytest.fixture
def hub(clock: FakeClock) -> Hub:
    """An empty chat."""
    return new_hub(clock, at_once(clock))


def enters(hub: Hub, name: str = "", room: str = DEFAULT_ROOM) -> Member:
    """Return a newcomer in *room*, called *name* if there is one."""
    member = hub.enter(ListSink())
    if name:
        hub.rename(member, name)
    hub.join(member, room).enter(member)
    return member


def in_threads(*jobs: Callable[[], None]) -> None:
    """Run all *jobs*, each in a thread of its own, begun together."""
    barrier = threading.Barrier(len(jobs))

    def run(job: Callable[[], None]) -> None:
        barrier.wait()
        job()

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class TestNames:
    """One holder each, in the whole hub."""

    def test_newcomers_are_numbered_guests(self, hub: Hub) -> None:
        """Each has a name of their own, in no room yet."""
        first, second = (hub.enter(ListSink()) for _ in range(2))
        assert (first.name, second.name) == ("guest-1", "guest-2")
        assert not first.named
        assert hub.rooms() == []

    @pytest.mark.parametrize("wanted", ["John", "JOHN", "jоhn", "J0hn"])
    def test_a_taken_name_is_refused(self, hub: Hub, wanted: str) -> None:
        """In any case, with look-alike letters, and from another room too; the guest stays what it was."""
        enters(hub, "John", room="elsewhere")
        guest = enters(hub)
        with pytest.raises(ChatError, match=f"The name {wanted} is taken"):
            hub.rename(guest, wanted)
        assert guest.name == "guest-2"
        assert hub.find("guest-2") is guest

    def test_the_refusal_says_what_a_name_looks_like(self, hub: Hub) -> None:
        """So that the user understands why."""
        enters(hub, "Bill")
        with pytest.raises(ChatError, match="it looks like Bill"):
            hub.rename(enters(hub), "Bi11")

    def test_a_name_is_free_when_its_holder_leaves_or_takes_another(self, hub: Hub) -> None:
        """At once, for everybody."""
        john, guest = enters(hub, "John"), enters(hub)
        hub.rename(john, "Jack")
        hub.rename(guest, "John")
        hub.leave(guest)
        hub.rename(john, "john")
        assert john.name == "john"

    def test_one_may_change_the_case_of_ones_own_name(self, hub: Hub) -> None:
        """It is not taken by somebody else."""
        john = enters(hub, "john")
        hub.rename(john, "JOHN")
        assert hub.find("john") is john
        hub.rename(john, "jack")
        hub.rename(enters(hub), "John")

    def test_after_a_refusal_the_old_name_is_still_held(self, hub: Hub) -> None:
        """Nobody loses their name by asking for a taken one."""
        ann, _, guest = enters(hub, "ann"), enters(hub, "bob"), enters(hub)
        with pytest.raises(ChatError):
            hub.rename(ann, "bob")
        with pytest.raises(ChatError):
            hub.rename(guest, "ann")
        assert hub.find("ann") is ann

    def test_a_forbidden_name_is_refused(self, hub: Hub) -> None:
        """The rules of names hold here."""
        with pytest.raises(ChatError, match="reserved"):
            hub.rename(enters(hub), "server")

    def test_people_are_found_in_any_case(self, hub: Hub) -> None:
        """Named or guest; but not by a look-alike, and not after they have left."""
        john, guest = enters(hub, "John"), enters(hub)
        assert hub.find("JOHN") is john
        assert hub.find("Guest-2") is guest
        for absent in ("J0hn", "guest-3", "nobody"):
            with pytest.raises(ChatError, match=f"There is nobody called {absent}"):
                hub.find(absent)
        hub.leave(john)
        hub.leave(guest)
        for gone in ("John", "guest-2"):
            with pytest.raises(ChatError):
                hub.find(gone)

    def test_a_named_guest_is_not_found_by_its_number(self, hub: Hub) -> None:
        """A message for the guest must not reach who is somebody else now."""
        enters(hub, "John")
        with pytest.raises(ChatError):
            hub.find("guest-1")

    def test_of_many_who_want_a_name_exactly_one_has_it(self, hub: Hub) -> None:
        """Eight threads, again and again, in all spellings: one holder, and all others are told."""
        spellings = ["john", "John", "JOHN", "jоhn", "j0hn", "J0HN", "jOhN", "johN"]
        for _ in range(30):
            members = [enters(hub) for _ in spellings]
            refused: list[str] = []

            def take(member: Member, wanted: str, refused: list[str] = refused) -> None:
                try:
                    hub.rename(member, wanted)
                except ChatError:
                    refused.append(wanted)

            in_threads(*[lambda m=m, w=w: take(m, w) for m, w in zip(members, spellings, strict=True)])
            (holder,) = [member for member in members if member.named]
            assert len(refused) == len(spellings) - 1
            assert hub.find(holder.name) is holder
            for member in members:
                hub.leave(member)


class TestRooms:
    """Made by the first to come, gone with the last."""

    def test_a_room_is_there_while_somebody_is(self, hub: Hub) -> None:
        """It appears with the first member and disappears with the last, by leaving or by moving on."""
        assert hub.rooms() == []
        ann, bob = enters(hub), enters(hub)
        hub.join(ann, "den")
        assert hub.rooms() == [("den", 1), ("lobby", 1)]
        hub.join(bob, "den")
        assert hub.rooms() == [("den", 2)]
        hub.leave(ann)
        hub.leave(bob)
        assert hub.rooms() == []

    def test_who_moves_is_in_one_room(self, hub: Hub) -> None:
        """Out of the old one, in the new one."""
        ann, bob = (hub.enter(ListSink()) for _ in range(2))
        lobby = hub.join(ann, DEFAULT_ROOM)
        assert hub.join(bob, DEFAULT_ROOM) is lobby
        den = hub.join(ann, "den")
        assert lobby.fanout.members() == (bob,)
        assert den.fanout.members() == (ann,)

    def test_joining_the_room_one_is_in_is_told(self, hub: Hub) -> None:
        """And changes nothing."""
        ann = enters(hub)
        with pytest.raises(ChatError, match="You are in lobby already"):
            hub.join(ann, "#Lobby")
        assert hub.rooms() == [("lobby", 1)]

    def test_a_wrong_room_name_leaves_one_where_one_is(self, hub: Hub) -> None:
        """Nobody falls between two rooms."""
        ann = enters(hub)
        with pytest.raises(ChatError):
            hub.join(ann, "no such place")
        assert hub.rooms() == [("lobby", 1)]

    def test_leaving_is_for_those_in_no_room_too(self, hub: Hub) -> None:
        """A connection may end before its session has entered."""
        hub.leave(hub.enter(ListSink()))
        assert hub.rooms() == []

    def test_comings_and_goings_are_announced_in_the_room_concerned(self, hub: Hub, clock: FakeClock) -> None:
        """And nowhere else."""
        sinks = {name: ListSink() for name in ("lobby", "den")}
        for room, sink in sinks.items():
            listener = hub.enter(sink)
            hub.join(listener, room).enter(listener)
        ann = hub.enter(ListSink())
        hub.rename(ann, "ann")
        hub.join(ann, "lobby")
        clock.advance(1)
        hub.join(ann, "den")
        hub.rename(ann, "eve")
        hub.leave(ann)
        assert sinks["lobby"].lines == ["* ann joined", "* ann left for den"]
        assert sinks["den"].lines == ["* ann joined", "* ann is now eve", "* eve left"]

    def test_rooms_survive_threads_that_come_and_go(self, hub: Hub) -> None:
        """Everybody is always in exactly one room, and in the end none is left over."""

        def wander() -> None:
            for number in range(50):
                member = hub.enter(ListSink())
                room = hub.join(member, f"room-{number % 3}")
                assert member in room.fanout.members()
                assert room.name in dict(hub.rooms())
                hub.join(member, "den")
                hub.leave(member)

        failures: list[BaseException] = []

        def note_failure() -> None:
            try:
                wander()
            except BaseException as problem:  # noqa: BLE001
                failures.append(problem)

        in_threads(*[note_failure] * 8)
        assert failures == []
        assert hub.rooms() == []

    @pytest.mark.parametrize("wanted", ["lоbby", "l0bby", "#LОBBУ"])
    def test_no_room_looks_like_the_default_one(self, hub: Hub, wanted: str) -> None:
        """Though nobody may be there."""
        ann = enters(hub, room="den")
        with pytest.raises(ChatError, match="looks like lobby: say /join lobby"):
            hub.join(ann, wanted)
        assert hub.rooms() == [("den", 1)]

    def test_no_room_looks_like_another(self, hub: Hub) -> None:
        """While that one exists; then the name is free."""
        ann, bob = enters(hub, room="modern"), enters(hub)
        with pytest.raises(ChatError, match="The room modem looks like modern"):
            hub.join(bob, "modem")
        hub.leave(ann)
        hub.join(bob, "modem")
        with pytest.raises(ChatError, match="The room modern looks like modem"):
            enters(hub, room="modern")

    def test_whoever_is_alone_in_a_room_may_not_make_its_look_alike(self, hub: Hub) -> None:
        """They leave a room behind only when there is another to go to."""
        ann = enters(hub, room="b0b")
        with pytest.raises(ChatError):
            hub.join(ann, "bob")
        assert hub.rooms() == [("b0b", 1)]


class TestPhrases:
    """Who is there, in words."""

    def test_company(self, hub: Hub) -> None:
        """Alone, with one, with a few, with many."""
        assert hub.company("lobby") == "alone"
        enters(hub, "ann")
        assert hub.company("lobby") == "with ann"
        enters(hub, "bob")
        assert hub.company("lobby") == "with ann and bob"
        for name in ("cid", "dan", "eve", "fay", "gus"):
            enters(hub, name)
        assert hub.company("lobby") == "with ann, bob, cid, dan, eve and 2 more"
        assert hub.company("den") == "alone"

    @pytest.mark.parametrize(
        ("names", "count", "phrase"),
        [(["a"], 1, "a"), (["a", "b"], 2, "a and b"), (["a", "b", "c"], 3, "a, b and c"), (["a"], 9, "a and 8 more")],
    )
    def test_a_list_of_names_is_a_phrase(self, names: list[str], count: int, phrase: str) -> None:
        """As a person would say it."""
        assert list_names(names, count) == phrase


def test_somebody_restored_is_announced_to_nobody_and_has_their_name(hub: Hub) -> None:
    """Named or a guest, in the room they were in; newcomers get other names."""
    sink = ListSink()
    hub.restore(hub.enter(sink), "ann", True, "den")
    guest = hub.enter(ListSink())
    hub.restore(guest, "guest-1", False, "den")
    assert sink.lines == []
    assert hub.rooms() == [("den", 2)]
    assert hub.find("guest-1") is guest
    newcomer = hub.enter(ListSink())
    assert newcomer.name == "guest-3"
    with pytest.raises(ChatError):
        hub.rename(newcomer, "Ann")


def test_traffic_is_counted_beyond_the_end_of_a_room(hub: Hub) -> None:
    """Announcements are messages as well."""
    ann = hub.enter(ListSink())
    den = hub.join(ann, "den")
    assert hub.traffic()[:2] == (1, 1)
    said = hub.traffic().messages
    den.say(ann, Kind.SAID, ["hi"])
    hub.leave(ann)
    assert hub.traffic() == (0, 0, said + 1)


@pytest.mark.parametrize(
    ("more_seconds", "heard"),
    [
        (0.0, ["* guest-7 left"]),  # had been announced by a predecessor
        (-1.0, ["* guest-7 left"]),
        (2.0, []),
    ],
)
def test_a_restored_stranger_is_one_until_the_time_is_over(more_seconds: float, heard: list[str]) -> None:
    """Then they are announced; whoever is not announced leaves without a line."""
    for stays in (False, True):
        clock = FakeClock()
        later = FakeLater(clock)
        hub = new_hub(clock, later)
        ann = ListSink()
        for name, until in (("ann", 0.0), ("guest-7", clock.now + more_seconds)):
            member = hub.enter(ann if name == "ann" else ListSink())
            hub.restore(member, name, name == "ann", DEFAULT_ROOM, until)
        if stays:
            later.pass_time(5.0)
            assert ann.lines == ["* guest-7 joined"] * (more_seconds > 0)
        ann.pieces.clear()
        hub.leave(member)
        later.pass_time(5.0)
        assert ann.lines == (["* guest-7 left"] if stays else heard)


class TestRoomsWithHistory:
    """A room that nobody is in stays known while its history does."""

    def test_it_is_listed_as_empty(self, hub: Hub) -> None:
        """One in which nothing was said is not."""
        ann = enters(hub, "ann")
        hub.join(ann, "tea").enter(ann)
        hub.join(ann, "den").say(ann, Kind.SAID, ["hi"])
        hub.leave(ann)
        assert hub.rooms() == [("den", 0)]

    def test_one_that_is_made_again_goes_on_with_its_numbers(self, hub: Hub) -> None:
        ann = enters(hub, "ann")
        den = hub.join(ann, "den")
        den.say(ann, Kind.SAID, ["a", "b"])
        number = den.number
        hub.join(ann, "lobby")
        del den
        gc.collect()
        assert hub.join(ann, "den").number == number + 2  # ann left, ann joined

    def test_so_does_one_in_which_somebody_still_speaks(self, hub: Hub) -> None:
        """It is the same one: two deliverers would give the same number to two lines."""
        ann, bob = enters(hub, "ann"), enters(hub, "bob")
        den = hub.join(ann, "den")
        den.enter(ann)
        hub.leave(ann)
        assert hub.rooms() == [("lobby", 1)]
        again = hub.join(bob, "den")
        again.enter(bob)
        bob.format = plain(numbers=True)
        den.say(ann, Kind.SAID, ["my last words"])  # from a thread that has come late
        again.say(bob, Kind.SAID, ["mine"])
        assert again is den
        said = [event for event in again.history.read(0, 1000) if event.kind is Kind.SAID]
        assert [event.text for event in said] == ["my last words", "mine"]
        assert said[0].last < said[1].number


def test_somebody_restored_goes_on_where_they_were_behind(hub: Hub) -> None:
    """They hear nothing before they are gone on with; then what they had not read."""
    ann = enters(hub, "ann", "den")
    sink = ListSink()
    bob = hub.enter(sink)
    den = hub.restore(bob, "bob", True, "den", place={"position": den_number(hub, ann), "own": [], "header": ""})
    den.say(ann, Kind.SAID, ["hi"])
    assert sink.lines == []
    den.go_on(bob)
    assert sink.lines == ["ann: hi"]


def den_number(hub: Hub, member: Member) -> int:
    """Return how far the room has got after *member* has said something."""
    room = hub._places[member]
    room.say(member, Kind.SAID, ["before"])
    return room.number
