"""
Removes escape sequences (ECMA-48) from text.

A screen must not obey somebody else's escape sequences, and the remains of one (``[31m``) are ugly. So a sequence is
removed with everything that belongs to it. An unfinished sequence ends with its line.
No socket, thread or clock here; any thread may call.
"""

from __future__ import annotations

import re

#: In this order: what a Linux console sends for F1 to F5; CSI with its parameters; OSC, DCS, SOS, PM and APC with
#: their string; SS2 and SS3 with the character they shift (F1 and the arrow keys of many terminals); any other.
_SEQUENCE = re.compile(
    r"\x1b\[\[[A-E]"
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?"
    r"|(?:\x1b[NO]|[\x8e\x8f])[!-~]?"
    r"|\x1b[ -/]*[0-~]?"
)


def remove_escapes(text: str) -> str:
    """Return *text* without escape sequences, whether they begin with ESC or with a C1 character."""
    return _SEQUENCE.sub("", text)
