"""
What a typed line means: something to say, a command for the server, or that the user has had enough.

Speaks the challenge's protocol, ``NAME: text``. Pure; the keyboard's thread calls ``say``, the reader's
calls ``heard``, and all they share is two attributes that are only ever replaced as a whole.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass

from threadchat.base.errors import ChatError
from threadchat.wire.text import sanitise

MAX_NAME_CHARACTERS = 32

_FAREWELLS = ("quit", "exit")
#: How threadchat confirms a ``/nick``, in the form it made of the name.
_RENAMED = re.compile(r"\* You are now (\S+)")
#: How it begins to name its guests: a server that does confirms every change of name.
_NAMED_BY_SERVER = "* You are "


def check_name(wanted: str) -> str:
    """Return the name that *wanted* stands for. Raises ChatError, for the user, where it may not be one."""
    name = wanted.strip()
    if not name:
        raise ChatError("a name has at least one letter")
    if len(name) > MAX_NAME_CHARACTERS:
        raise ChatError(f"a name has at most {MAX_NAME_CHARACTERS} characters")
    if sanitise(name) != name:
        raise ChatError("a name has no control characters")
    if ":" in name or any(c.isspace() for c in name):
        raise ChatError("a name has no spaces and no colon")
    if name[0] in "*/[":
        raise ChatError(f"a name does not begin with {name[0]}")
    return name


def is_farewell(text: str) -> bool:
    """Whether *text* alone ends the client."""
    return text.strip() in _FAREWELLS


@dataclass(frozen=True, slots=True)
class Said:
    """One typed line: what goes to the server, and what its author sees of it (nothing, for a command)."""

    line: str
    shown: str


class Speaker:
    """Who is typing, and under what name."""

    def __init__(self, name: str) -> None:
        self.name = name
        #: Whether the user has asked the *server* to end the connection.
        self.asked_to_leave = False
        self._wanted = ""  # a /nick that the server has not confirmed
        self._server_confirms = False

    def say(self, text: str) -> Said | None:
        """Return what to do with the typed *text*; None for a blank one."""
        text = sanitise(text).strip()
        if not text:
            return None
        if text.startswith("//"):  # the server's way to say a line that begins with a slash
            return Said(text, f"{self.name}: {text[1:]}")
        if text.startswith("/"):
            return Said(text, self._command(text))
        line = f"{self.name}: {text}"
        return Said(line, line)

    def heard(self, line: str) -> None:
        """Take note of *line* from the server, where it is about this user's name."""
        if line.startswith(_NAMED_BY_SERVER):
            self._server_confirms = True
        # Only after a /nick: on a server that passes anything on, anybody can write such a line.
        if self._wanted and (renamed := _RENAMED.match(line)):
            self._rename(renamed[1])
            self._wanted = ""

    def _command(self, text: str) -> str:
        """Take note of a command; return what its author sees of it, where the server tells the others only."""
        word, _, argument = text.partition(" ")
        if word in ("/quit", "/exit"):
            self.asked_to_leave = True
        if word == "/nick":
            self._wanted = argument
            if not self._server_confirms:
                self._rename(argument)
        return f"* {self.name} {argument}" if word == "/me" and argument else ""

    def _rename(self, wanted: str) -> None:
        with contextlib.suppress(ChatError):  # the server will say so too, and better
            self.name = check_name(wanted)
