"""
The hub: every name, every room, and who is where.

Callable from any thread. Each public method is one whole operation under the hub's lock. The lock guards memory only.
Announcements are made after it has been released.
Lock order: the hub's or a room's, then a member's turn (behind.py), then a fan-out's. Under the hub's lock, the history
may also take locks of its own, when a room is made. Nothing else is nested.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Sequence
from typing import NamedTuple

from threadchat.base.errors import ChatError
from threadchat.base.heartbeat import Heartbeat
from threadchat.chat.behind import Place
from threadchat.chat.history import History
from threadchat.chat.member import Member, Outlet
from threadchat.chat.names import MAX_NAME_CHARACTERS, check_name, check_room_name, guest_name, name_keys
from threadchat.chat.room import Room, Settings

DEFAULT_ROOM = "lobby"


class Traffic(NamedTuple):
    """How busy the chat is. ``messages`` counts all that has been delivered so far, in all rooms."""

    people: int
    rooms: int
    messages: int


class Hub:
    """The owner of all rooms and names of one chat. *heartbeat* makes the named heartbeat of each room's deliverer."""

    def __init__(self, history: History, settings: Settings, heartbeat: Callable[[str], Heartbeat] = Heartbeat) -> None:
        self._history = history
        self._settings = settings
        self._heartbeat = heartbeat
        self._lock = threading.Lock()
        self._rooms: dict[str, Room] = {}
        # Empty rooms that some thread still uses. If somebody enters one of them, it is taken back, not made anew.
        self._left: weakref.WeakValueDictionary[str, Room] = weakref.WeakValueDictionary()
        self._places: dict[Member, Room] = {}
        #: Every key of every room's name. The keys of the default room stay here even while it is empty.
        self._room_keys = dict.fromkeys(name_keys(DEFAULT_ROOM), DEFAULT_ROOM)
        self._taken: dict[str, Member] = {}  # every key of every name, see names.name_keys
        self._guests: dict[str, Member] = {}
        self._next_guest = 1
        self._said_before = 0  # what was said in rooms that are gone

    def enter(self, outlet: Outlet) -> Member:
        """Return a new guest, who is in no room yet. *outlet* is the way to reach them."""
        with self._lock:
            while guest_name(self._next_guest) in self._guests:
                self._next_guest += 1
            member = Member(guest_name(self._next_guest), outlet)
            self._next_guest += 1
            self._guests[member.name] = member
            return member

    def restore(
        self,
        member: Member,
        name: str,
        named: bool,
        room_name: str,
        stranger_until: float = 0.0,
        place: Place | None = None,
    ) -> Room:
        """
        Give *member*, who is in no room yet, the name and the room it had in another process. Return the room.

        A *place* means that it was behind in that room: call Room.go_on to let it read on. Nobody is told.
        """
        keys = name_keys(name) if named else ()
        with self._lock:
            self._forget_name(member)
            member.name, member.named = name, named
            if named:
                self._taken |= dict.fromkeys(keys, member)
            else:
                self._guests[name] = member
            room = self._room(room_name)
            self._places[member] = room
            if place:
                room.admit(member, place)
            else:
                room.fanout.add(member)
        if stranger_until > self._settings.clock():
            room.await_introduction(member, name, stranger_until)
        else:
            member.introduced = True
        return room

    def rename(self, member: Member, wanted: str) -> None:
        """Give *member* the name *wanted*. Raises ChatError, for the user, if it cannot have that name."""
        name = check_name(wanted)
        keys = name_keys(name)
        with self._lock:
            for key in keys:
                holder = self._taken.get(key)
                if holder is not None and holder is not member:
                    raise ChatError(f"The name {name} is taken" + _by_alike(holder.name, name))
            self._forget_name(member)
            for key in keys:
                self._taken[key] = member
            before, member.name, member.named = member.name, name, True
            room = self._places.get(member)
        if room and before != name:
            room.renamed(member, before, name)

    def join(self, member: Member, wanted: str) -> Room:
        """
        Move *member* to the room called *wanted*, and return that room. The room is made if there is none.

        Raises ChatError, for the user, if there can be no such room, or if *member* is in it already.
        """
        name = check_room_name(wanted)
        with self._lock:
            left = self._places.get(member)
            if left and left.name == name:
                raise ChatError(f"You are in {name} already.")
            if name not in self._rooms:
                self._refuse_look_alike(name)
            self._leave_room(member)
            room = self._places[member] = self._room(name)
            room.admit(member)
        if left:
            left.left(member, member.name, to=name)
        room.joined(member, member.name)
        return room

    def company(self, room_name: str) -> str:
        """Return, as a phrase, who is in a room: "with alice and bob", or "alone" if nobody is."""
        with self._lock:
            room = self._rooms.get(room_name)
            members, count = room.fanout.glance(5) if room else ([], 0)
        return f"with {list_names([m.name for m in members], count)}" if members else "alone"

    def leave(self, member: Member) -> None:
        """Forget *member*: free its name, and announce to its room that it has left."""
        with self._lock:
            room = self._leave_room(member)
            self._forget_name(member)
        if room:
            room.left(member, member.name)

    def find(self, name: str) -> Member:
        """Return the member called *name*, in upper or lower case. Raises ChatError if there is none."""
        with self._lock:
            guest = self._guests.get(name.casefold())
            holders = {self._taken[key] for key in name_keys(name) if key in self._taken}
        for member in [guest] if guest else holders:
            if member.name.casefold() == name.casefold():
                return member
        raise ChatError(f"There is nobody called {name[:MAX_NAME_CHARACTERS]}.")

    def rooms(self) -> list[tuple[str, int]]:
        """Return every room's name and number of members, the fullest first; also empty rooms with a history."""
        rooms = dict.fromkeys(self._history.rooms(), 0)
        with self._lock:
            rooms |= {room.name: len(room.fanout) for room in self._rooms.values()}
        return sorted(rooms.items(), key=lambda room: (-room[1], room[0]))

    def traffic(self) -> Traffic:
        """Return how busy the chat is."""
        with self._lock:
            fanouts = [room.fanout for room in self._rooms.values()]
            said = self._said_before + sum(fanout.taken for fanout in fanouts)
            return Traffic(sum(map(len, fanouts)), len(fanouts), said)

    def _refuse_look_alike(self, name: str) -> None:
        """Raise ChatError if *name* could be mistaken for the name of another room. Caller holds the lock."""
        for key in name_keys(name):
            other = self._room_keys.get(key, name)
            if other != name:
                raise ChatError(f"The room {name} looks like {other}: say /join {other}, or choose another name.")

    def _room(self, name: str) -> Room:
        """Return the room called *name*; make it if there is none. Caller holds the lock, and then adds a member."""
        room = self._rooms.get(name)
        if room is None:
            room = self._left.pop(name, None)
            if room is not None:
                self._said_before -= room.fanout.taken
            else:
                heartbeat = self._heartbeat(f"deliverer of {name}")
                room = Room(name, self._history.room(name), self._settings, heartbeat)
            self._rooms[name] = room
            self._room_keys |= dict.fromkeys(name_keys(name), name)
        return room

    def _leave_room(self, member: Member) -> Room | None:
        """
        Take *member* out of its room, and return the room. When the last member leaves, the room goes, too.

        Caller holds the lock.
        """
        room = self._places.pop(member, None)
        if room:
            room.fanout.discard(member)
            if not len(room.fanout):
                self._left[room.name] = self._rooms.pop(room.name)
                if room.name != DEFAULT_ROOM:
                    for key in name_keys(room.name):
                        self._room_keys.pop(key, None)
                self._said_before += room.fanout.taken
        return room

    def _forget_name(self, member: Member) -> None:
        """Free the name of *member*. Caller holds the lock."""
        if member.named:
            for key in name_keys(member.name):
                self._taken.pop(key, None)
        else:
            self._guests.pop(member.name, None)


def list_names(names: Sequence[str], count: int) -> str:
    """Return *names*, the first of *count* names, as one phrase: "alice, bob and 3 more"."""
    if count > len(names):
        return f"{', '.join(names)} and {count - len(names)} more"
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _by_alike(holder: str, name: str) -> str:
    return "." if holder.casefold() == name.casefold() else f": it looks like {holder}."
