"""
Text between the network and a screen: the one sanitiser, and the one decoder.

Everything a person typed passes through :func:`decode` once, on its way in, and so nothing that
could drive a terminal, forge a line or reorder one ever reaches another screen, a log or a database.
No socket, thread or clock here; any thread may call.
"""

from __future__ import annotations

import re

#: C0 (but TAB), DEL, C1; line and paragraph separators; bidirectional controls (UAX #9) and the
#: marks that can hide or reorder text; lone surrogates, noncharacters and interlinear annotation.
#: LF is left alone: it is framing, and a decoded line has none.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\ud800-\udfff\ufdd0-\ufdef\U000e0000-\U000e007f]"
)
_UNSAFE_ASCII = bytes([*range(0x09), *range(0x0B, 0x20), 0x7F])


def sanitise(text: str) -> str:
    """Return *text* without the characters that a terminal, a log or a reader's eye could be fooled by."""
    return _UNSAFE.sub("", text)


def decode(data: bytes) -> str:
    """
    Return *data* as safe text: UTF-8 with U+FFFD for what is invalid (RFC 3629), then sanitised.

    LF is kept, so a run of whole lines can be decoded in one call.
    """
    if data.isascii():
        return data.translate(None, _UNSAFE_ASCII).decode("ascii")
    return _UNSAFE.sub("", data.decode("utf-8", "replace"))
