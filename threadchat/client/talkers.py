"""
Who is about, learnt from the lines that come. Tab offers the names: the one who spoke last comes first.

Understands the challenge's ``NAME: text``, and threadchat's greeting, its ``/who``, and comings and goings. Other
servers' lines teach it less. Pure; used by the user interface's thread.
"""

from __future__ import annotations

import re

#: Enough for any conversation one person can follow; a room may have thousands.
MAX_NAMES = 200

#: threadchat's commands, as its /help has them. The server's table may not be imported here: a test compares the two.
COMMANDS = (
    "/help",
    "/nick",
    "/who",
    "/rooms",
    "/join",
    "/msg",
    "/me",
    "/history",
    "/since",
    "/search",
    "/topic",
    "/numbers",
    "/times",
    "/quit",
)
#: The commands whose first argument is somebody's name.
_TO_SOMEBODY = ("/msg",)

_TALK = re.compile(r"([^\s:*/\[][^\s:]{0,31}): ")
_WHISPER = re.compile(r"\[(?:from|to) (\S+)\] ")
_DID = re.compile(r"\*\* (\S+) ")
_CAME = re.compile(r"\* (\S+) joined$")
_WENT = re.compile(r"\* (\S+) left(?: for \S+)?$")
_RENAMED = re.compile(r"\* (\S+) is now (\S+)$")
#: ``* You are guest-2, with John in lobby. …`` and ``* 2 in lobby: John and guest-2``.
_LISTED = re.compile(r"\* (?:You are (?:in )?\S+, with (?P<with>.+?)(?: in \S+)?\.(?: |$)|\d+ in \S+: (?P<who>.+))")
_MORE = re.compile(r" and \d+ more$")


def talker_of(line: str) -> str | None:
    """Return the name in front of *line*, if it is something somebody said."""
    talk = _TALK.match(line)
    return talk[1] if talk else None


class Talkers:
    """The names of those who are about, in the order of their last sign of life."""

    def __init__(self) -> None:
        self._names: dict[str, None] = {}  # ordered: the latest is last

    def heard(self, line: str) -> None:
        """Learn from *line*."""
        if said := _TALK.match(line) or _WHISPER.match(line) or _DID.match(line) or _CAME.match(line):
            self._active(said[1])
        elif went := _WENT.match(line):
            self._names.pop(went[1], None)
        elif renamed := _RENAMED.match(line):
            self._names.pop(renamed[1], None)
            self._active(renamed[2])
        elif listed := _LISTED.match(line):
            self._present(re.split(", | and ", _MORE.sub("", listed["with"] or listed["who"])))

    def complete(self, text: str, own_name: str) -> list[str]:
        """Return what *text*, which is all before the cursor, may become: the likeliest first."""
        start, space, word = text.rpartition(" ")
        if word.startswith("/") and not space:
            return [f"{command} " for command in COMMANDS if command.startswith(word.lower())]
        suffix = " " if space else ": "
        wanted = word.casefold()
        return [
            f"{start}{space}{name}{suffix}"
            for name in reversed(self._names)
            if name != own_name and name.casefold().startswith(wanted)
        ]

    def _active(self, name: str) -> None:
        self._names.pop(name, None)
        self._names[name] = None
        self._bound()

    def _present(self, names: list[str]) -> None:
        """Note that *names* are here: after all who have given a sign of life, in the order they were listed."""
        self._names = dict.fromkeys(reversed([name for name in names if name not in self._names])) | self._names
        self._bound()

    def _bound(self) -> None:
        while len(self._names) > MAX_NAMES:
            del self._names[next(iter(self._names))]


class Completion:
    """
    What Tab does: it goes through everything that the text may become, and then back to what was typed.

    A single choice stays. After a command to somebody, the next Tab begins with the names.
    """

    def __init__(self, talkers: Talkers) -> None:
        self._talkers = talkers
        self._choices: list[str] = []  # the one on the screen is first

    def next(self, text: str, own_name: str) -> str:
        """Return what becomes of *text*, which is all before the cursor."""
        shown = self._choices[:1] == [text]
        if shown and len(self._choices) == 1 and text.rstrip() in _TO_SOMEBODY:
            shown = False
        if shown:
            self._choices.append(self._choices.pop(0))
        else:
            found = self._talkers.complete(text, own_name)
            self._choices = [*found, text] if len(found) > 1 else found
        return self._choices[0] if self._choices else text
