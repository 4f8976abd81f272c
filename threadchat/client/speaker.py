"""
What a typed line means: something to say, a command for the server, or a wish to leave.

Speaks the challenge's protocol, ``NAME: text``. threadchat is recognised by its greeting. It is told the name once, and
then gets the lines without the name. Pure. The keyboard's thread calls ``say``, the reader's thread calls ``heard``.
They share only attributes that are replaced as a whole.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass

from threadchat.base.errors import ChatError
from threadchat.wire.text import sanitise

MAX_NAME_CHARACTERS = 32

_FAREWELLS = ("quit", "exit")
#: threadchat's second line to a newcomer, by which it is recognised. The first line is a welcome in any words.
_GREETING = re.compile(r"\* You are (\S+), .+ in \S+\. Type /help for help\.")
_GREETING_LINES = 2
#: How threadchat confirms a name. It may have changed the form of the name.
_RENAMED = re.compile(r"\* You are now (\S+)")
#: How threadchat begins to refuse a name.
_REFUSED = re.compile(r"\* (?:A|That|The) name ")


def check_name(wanted: str) -> str:
    """Return the name that *wanted* stands for. Raises ChatError, for the user, if it cannot be a name."""
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
    """One typed line: what goes to the server, and what its author sees of it (nothing, for most commands)."""

    line: str
    shown: str


class Speaker:
    """
    Who is typing, and under what name.

    At threadchat, the name is the one that the server says the user has; ``heard`` asks for the wanted name. At any
    other server, the name is the wanted one. There it goes in front of each line, unless *prefix* is False.
    """

    def __init__(self, name: str, *, prefix: bool = True) -> None:
        self.name = name
        #: Whether the user has asked the *server* to end the connection.
        self.asked_to_leave = False
        #: What threadchat said when it refused the user's first name; empty if it did not refuse it.
        self.refusal = ""
        self._prefix = prefix
        self._wanted = ""  # a name that was asked for, and so far neither confirmed nor refused
        self._lines_heard = 0
        self._at_threadchat = False
        self._introduced = False  # threadchat has answered the first request

    @property
    def awaits_answer(self) -> bool:
        """Whether threadchat has yet to say if the user may have the name."""
        return self._at_threadchat and not self._introduced

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
        # threadchat takes one prefix away. If the user has typed one as part of the text, it needs another in front.
        bare = not self._prefix or (self._at_threadchat and not text.startswith(f"{self.name}: "))
        return Said(text if bare else line, line)

    def heard(self, line: str) -> str | None:
        """Take note of *line* from the server, if it is about this user's name. Return what to answer, if anything."""
        self._lines_heard += 1
        if self._lines_heard <= _GREETING_LINES and (greeting := _GREETING.fullmatch(line)):
            self._at_threadchat = True
            self._wanted, self.name = self.name, greeting[1]
            return f"/nick {self._wanted}"
        # Believe other servers only after a /nick: they may pass on anything, so anybody can write such a line.
        if (self._at_threadchat or self._wanted) and (renamed := _RENAMED.match(line)):
            self._answered()
            self._rename(renamed[1])
        elif self._at_threadchat and self._wanted and _REFUSED.match(line):
            if not self._introduced:
                self.refusal = line.removeprefix("* ")
            self._answered()
        return None

    def _answered(self) -> None:
        self._wanted = ""
        self._introduced = True

    def _command(self, text: str) -> str:
        """Take note of a command. Return what its author sees of it: the server shows /me only to the others."""
        word, _, argument = text.partition(" ")
        if word in ("/quit", "/exit"):
            self.asked_to_leave = True
        if word == "/nick":
            self._wanted = argument
            if not self._at_threadchat:
                self._rename(argument)
        return f"** {self.name} {argument}" if word == "/me" and argument else ""

    def _rename(self, wanted: str) -> None:
        with contextlib.suppress(ChatError):  # the server will say so too, and better
            self.name = check_name(wanted)
