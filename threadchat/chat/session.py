"""
A session: what the lines of one connection mean.

Used by the connection's own thread only. The lines it gets are decoded and safe. The hub and the rooms do what the
lines ask for. Not here: bytes, framing, flood control (apps/chat.py), wording of comings and goings.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NotRequired, TypedDict

from threadchat.base.errors import ChatError
from threadchat.chat.behind import Place
from threadchat.chat.caller import ANNOUNCED_COST
from threadchat.chat.commands import run_command
from threadchat.chat.events import Kind
from threadchat.chat.hub import DEFAULT_ROOM, Hub
from threadchat.chat.member import Outlet
from threadchat.chat.names import check_room_name
from threadchat.chat.room import Room

#: A line from a client that puts its user's name in front of each line.
_PREFIXED = re.compile(r"([^\s:]+): ")

#: The most lines that are searched for a command at a time. Flood control slows down anybody who sends more.
MOST_AT_ONCE = 200


def up_to_command(lines: list[str]) -> int:
    """Return how many of *lines* can be received before their cost must be checked: up to the first command."""
    some = lines[:MOST_AT_ONCE]
    for count, line in enumerate(some, 1):
        if line.startswith("/") or ": /" in line:  # the talker's own name may be in front
            return count
    return len(some)


class SessionState(TypedDict):
    """All that another process must know to go on with a session."""

    name: str
    named: bool
    room: str
    stranger_until: NotRequired[float]  # missing if the predecessor knew no strangers
    opening: bool
    adopted: list[str]
    numbers: NotRequired[bool]
    times: NotRequired[bool]
    behind: NotRequired[Place | None]


class Session:
    """One connection's part in the chat: who it is, which room it is in, and how its next line is to be understood."""

    __slots__ = (
        "_adopted",
        "_ask_name",
        "_has_quit",
        "_knows_the_way_out",
        "_on_quit",
        "_opening",
        "_prefixes",
        "_room",
        "changed",
        "hub",
        "member",
        "owed",
        "searched",
    )

    def __init__(self, hub: Hub, outlet: Outlet, on_quit: Callable[[], None], ask_name: bool = False) -> None:
        self.hub = hub
        self.member = hub.enter(outlet)
        self._room: Room | None = None  # None: not greeted yet
        self._on_quit = on_quit
        self._has_quit = False
        self._knows_the_way_out = False
        self._ask_name = ask_name
        self._opening = True  # it has said nothing so far
        self._adopted: tuple[str, ...] = ()  # the prefix that this client puts in front of its lines
        self._prefixes = self._own_prefixes()
        #: Set whenever :meth:`state` has changed. The caller resets it when it saves the state.
        self.changed = False
        #: The cost of the commands so far, in lines beyond the one typed for each. Charged when ``changed`` is reset.
        self.owed = 0
        self.searched: tuple[list[str], int | None] | None = None

    @property
    def room(self) -> Room:
        """The room that this session is in. From greeting to leaving there always is one."""
        assert self._room is not None
        return self._room

    def greet(self, welcome: str) -> None:
        """Say *welcome*, and enter the default room."""
        company = self.hub.company(DEFAULT_ROOM)
        lines = [welcome, f"* You are {self.member.name}, {company} in {DEFAULT_ROOM}. Type /help for help."]
        self.member.tell(*lines)  # before joining, so that the welcome is the first line
        self._room = self.hub.join(self.member, DEFAULT_ROOM)
        self._room.enter(self.member)
        if self._ask_name:
            self.member.notice("What is your name?")

    def receive(self, lines: list[str]) -> None:
        """Take *lines* of text: say them, or run them if they are commands."""
        saying: list[str] = []
        for text in lines:
            if self._has_quit:
                return  # lines of the same read after /quit are not said
            if self._opening:
                self._say(saying)  # before the name changes
                saying = []
            line = self._open(text) if self._opening else text
            line = self._without_prefix(line)
            if line.startswith("/") and not line.startswith("//"):
                self._say(saying)
                saying = []
                try:
                    run_command(self, line)
                except ChatError as problem:
                    self.member.notice(str(problem))
            elif line == "^C" and self.interrupt():
                pass
            elif line and not line.isspace():
                saying.append(line.removeprefix("/"))
        self._say(saying)

    def rename(self, wanted: str) -> None:
        """Take the name *wanted*. Raises ChatError, for the user, if it cannot be had."""
        before, named = self.member.name, self.member.named
        self.hub.rename(self.member, wanted)
        self.changed = True
        self._prefixes = self._own_prefixes()
        if self.member.name != before:
            self.owed += ANNOUNCED_COST if named else 0
            self.member.notice(f"You are now {self.member.name}")

    def join(self, wanted: str) -> None:
        """Go to the room *wanted*. Raises ChatError, for the user, if that is not possible."""
        company = self.hub.company(check_room_name(wanted))
        self._room = self.hub.join(self.member, wanted)
        self.changed = True
        self.owed += ANNOUNCED_COST
        topic = f" The topic is: {self._room.history.topic}" if self._room.history.topic else ""
        self.member.notice(f"You are in {self._room.name}, {company}.{topic}")
        self._room.enter(self.member)

    def interrupt(self) -> bool:
        """Take a Ctrl-C: people try to leave with it. Tell them how, once; return whether this was that time."""
        knew, self._knows_the_way_out = self._knows_the_way_out, True
        if not knew:
            self.member.notice("/quit leaves.")
        return not knew

    def quit(self) -> None:
        """Say goodbye and end the connection."""
        self.member.notice("Goodbye!")
        self._has_quit = True
        self._on_quit()

    def state(self) -> SessionState:
        """Return what :meth:`restore` needs to go on with this session in another process."""
        return {
            "name": self.member.name,
            "named": self.member.named,
            "room": self.room.name,
            "stranger_until": self.room.stranger_until(self.member),
            "opening": self._opening,
            "adopted": list(self._adopted),
            "numbers": self.member.format.numbers,
            "times": self.member.format.times,
            "behind": behind.place() if (behind := self.member.behind) else None,
        }

    def restore(self, state: SessionState) -> None:
        """Take over the name, the room and all else from *state*. To be called first of all. Nobody is told."""
        stranger_until = state.get("stranger_until", 0.0)
        self._room = self.hub.restore(
            self.member, state["name"], state["named"], state["room"], stranger_until, state.get("behind")
        )
        self.choose(numbers=state.get("numbers", False), times=state.get("times", False))
        self._opening = state["opening"]
        self._adopted = tuple(state["adopted"])
        self._prefixes = self._own_prefixes()

    def resume(self) -> None:
        """Go on after :meth:`restore`, once everybody has been restored."""
        self.room.go_on(self.member)

    def choose(self, *, crlf: bool | None = None, numbers: bool | None = None, times: bool | None = None) -> None:
        """Change how lines are written from now on."""
        self.member.format = self.member.format.but(crlf=crlf, numbers=numbers, times=times)
        self.changed = True

    def leave(self) -> None:
        """The connection has ended."""
        self.hub.leave(self.member)

    def _say(self, lines: list[str]) -> None:
        if lines:
            self.room.say(self.member, Kind.SAID, lines)

    def _without_prefix(self, line: str) -> str:
        """Return *line* without the talker's own name in front, if it is there."""
        for prefix in self._prefixes:
            if line.startswith(prefix):
                return line[len(prefix) :]
        return line

    def _own_prefixes(self) -> tuple[str, ...]:
        """Return what the client may put in front of a line. The first is what the server itself puts there."""
        return (f"{self.member.name}: ", *self._adopted)

    def _open(self, line: str) -> str:
        """
        Look for a name in a guest's first line. Return the rest of the line, which is to be said.

        ``NAME: TEXT`` gives the guest that name. If the listener has asked for a name, any other first line is the
        name. If the name cannot be had, the guest is told why, and keeps the guest name. Nobody is asked twice:
        a program that sends something other than a name would never be heard.
        Newcomers who begin with ``help`` or ``?`` get help. Scanners send that, too.
        """
        if line.strip().casefold() in ("help", "?"):
            return "/help"
        if line.startswith("/") and not line.startswith("//"):
            return line
        self._opening = False
        self.changed = True
        prefixed = _PREFIXED.match(line)
        if self.member.named or not (prefixed or self._ask_name):
            return line
        try:
            self.rename(prefixed[1] if prefixed else line.strip())
        except ChatError as problem:
            hint = "" if prefixed else " /nick NAME changes that."
            self.member.notice(f"{problem} You are still {self.member.name}.{hint}")
            return line if prefixed else ""
        if not prefixed:
            return ""
        self._adopted = (prefixed[0],)
        self._prefixes = self._own_prefixes()
        return line
