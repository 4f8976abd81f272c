"""
Who is about, learnt from the lines that come: for Tab, the one who spoke last first.

Understands the challenge's ``NAME: text`` and threadchat's comings and goings; other servers' lines teach
it less. Pure; used by the user interface's thread.
"""

from __future__ import annotations

import re

#: Enough for any conversation one person can follow; a room may have thousands.
MAX_NAMES = 200

COMMANDS = ("/help", "/history", "/join", "/me", "/msg", "/nick", "/quit", "/rooms", "/since", "/who")

_TALK = re.compile(r"([^\s:*/\[][^\s:]{0,31}): ")
_WHISPER = re.compile(r"\[from (\S+)\] ")
_CAME = re.compile(r"\* (\S+) joined$")
_WENT = re.compile(r"\* (\S+) left(?: for \S+)?$")
_RENAMED = re.compile(r"\* (\S+) is now (\S+)$")


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
        if said := _TALK.match(line) or _WHISPER.match(line) or _CAME.match(line):
            self._active(said[1])
        elif went := _WENT.match(line):
            self._names.pop(went[1], None)
        elif renamed := _RENAMED.match(line):
            self._names.pop(renamed[1], None)
            self._active(renamed[2])

    def complete(self, text: str, own_name: str) -> list[str]:
        """Return what *text*, all before the cursor, may become: the likeliest first."""
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
        if len(self._names) > MAX_NAMES:
            del self._names[next(iter(self._names))]
