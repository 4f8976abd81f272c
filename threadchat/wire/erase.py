"""
What somebody erased while typing.

A terminal that sends each key also sends the keys that erase. The server then has to do what the terminal's line
editor would have done. The keys stay in the unfinished line until it is complete. So they work across reads and
restarts, and nothing has to be remembered for them.
No socket, thread or clock here; any thread may call.
"""

from __future__ import annotations

import re

from wcwidth import grapheme_boundary_before

#: Backspace and Delete erase a character, Ctrl-U the line, Ctrl-W a word.
BACKSPACE, DELETE, CTRL_U, CTRL_W = "\b", "\x7f", "\x15", "\x17"

_KEYS = re.compile(f"([{BACKSPACE}{DELETE}{CTRL_U}{CTRL_W}])")
_KEY_BYTES = _KEYS.pattern.encode()


def erase(line: str) -> str:
    """Return *line* as its typist left it. A key erases a whole character, with its accents (UAX #29)."""
    left = ""
    for piece in _KEYS.split(line):
        match piece:
            case "\b" | "\x7f":
                left = left[: grapheme_boundary_before(left, len(left))]
            case "\x15":
                left = ""
            case "\x17":
                left = left.rstrip()
                left = left[: len(left) - len(left.split()[-1])] if left else ""
            case _:
                left += piece
    return left


def erase_bytes(line: bytes) -> bytes:
    """Return *line* as its typist left it. Any encoding will do, and *line* may end in the middle of a character."""
    if not re.search(_KEY_BYTES, line):
        return line
    return erase(line.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
