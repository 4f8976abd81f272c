"""
How a line looks: a colour for each name, the server's own lines dimmed.

The colour is a hash of the name, so it is the same for everybody, every day. Only the sixteen colours are used
that every terminal has and that its owner has chosen. Pure functions; they return the (style, text) pairs that
prompt_toolkit takes.
"""

from __future__ import annotations

import re
from zlib import crc32

from threadchat.client.talkers import talker_of

#: All but black, white and grey, which may be the background, and dark blue, which few can read on black.
COLOURS = (
    "ansired",
    "ansigreen",
    "ansiyellow",
    "ansimagenta",
    "ansicyan",
    "ansibrightred",
    "ansibrightgreen",
    "ansibrightyellow",
    "ansibrightblue",
    "ansibrightmagenta",
    "ansibrightcyan",
)
DIM = "ansibrightblack"

#: What somebody does: ``/me`` in threadchat.
_DID = re.compile(r"(\*\* )(\S+)( .*)")

Fragments = list[tuple[str, str]]


def colour_of(name: str) -> str:
    """Return the colour of *name*. Upper and lower case make no difference."""
    return COLOURS[crc32(name.casefold().encode()) % len(COLOURS)]


def styled(line: str) -> Fragments:
    """Return *line* in its colours."""
    if line.startswith("* "):
        return [(DIM, line)]
    if did := _DID.fullmatch(line):
        return [("", did[1]), (colour_of(did[2]), did[2]), ("", did[3])]
    if name := talker_of(line):
        return [(colour_of(name), name), ("", line[len(name) :])]
    return [("", line)]
