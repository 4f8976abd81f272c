"""
Text between the network and a screen: the one sanitiser, and the one decoder.

Everything that comes from outside passes through :func:`decode` once, on its way in. So nothing that could drive a
terminal, forge a line, reorder one or cover its neighbours reaches another screen, a log or a database.
No socket, thread or clock here; any thread may call.
"""

from __future__ import annotations

import re
import unicodedata

from threadchat.wire.erase import erase
from threadchat.wire.escapes import remove_escapes

#: How many marks a letter may have. More would cover the lines above and below. Hebrew with vowels and
#: cantillation needs five.
MOST_MARKS = 5

#: The keys that erase: obeyed where somebody types (erase.py), and dropped elsewhere.
_KEYS = "\x08\x15\x17\x7f"
#: C0 (except TAB and the keys above), C1; line and paragraph separators; bidirectional controls (UAX #9) and the
#: marks that can hide or reorder text; lone surrogates, noncharacters and interlinear annotation.
#: LF is left alone: it is framing, and a decoded line has none.
_UNSAFE = (
    "\x00-\x07\x0b-\x14\x16\x18-\x1f\x80-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\ud800-\udfff\ufdd0-\ufdef"
)
_NOTABLE_ASCII = bytes([*range(0x09), *range(0x0B, 0x20), 0x7F])
#: Tags can hide a message, but three flags are made of them: England's, Scotland's and Wales'.
_TAGS = "\U000e0000-\U000e007f"
_FLAGS = "|".join(
    "\U0001f3f4" + "".join(chr(0xE0000 + ord(c)) for c in f"{tag}\x7f") for tag in ("gbeng", "gbsct", "gbwls")
)


def is_mark(character: str) -> bool:
    """Return whether *character* is drawn above, below or around the one before it."""
    return unicodedata.category(character) in ("Mn", "Me")


#: Characters that are not drawn. On a screen, a mark after one of them lands on the letter before it.
_JOINERS = "\u00ad\u180e\u200b\u200c\u200d"
#: The marks of the first plane, from the blocks that have them: looking at all of Unicode takes a tenth of a second.
_MARKS = "".join(
    character
    for block in (range(0x0300, 0x3100), range(0xA66F, 0xAC00), range(0xFB1E, 0xFE30))
    for character in map(chr, block)
    if is_mark(character)
)
#: What may be part of a stack of marks. All other planes count: a table of their marks would slow each search down.
_STACKING = f"{_MARKS}{_JOINERS}\U00010000-\U0010ffff"

# The first pattern finds nothing in most text. Such text costs this one search only.
_NOTABLE = re.compile(f"[{_KEYS}{_UNSAFE}{_STACKING}]")
_HARMFUL = re.compile(f"[{_KEYS}{_UNSAFE}{_TAGS}]")
_STACK = re.compile(f"[{_STACKING}][{_STACKING}]{{{MOST_MARKS}}}")  # the first character apart: so sre skips faster
_KEY = re.compile(f"[{_KEYS}]")
_UNSAFE_OR_FLAG = re.compile(f"({_FLAGS})|[{_UNSAFE}{_TAGS}]")


def decode(data: bytes, typed: bool = False) -> str:
    """
    Return *data*, which is whole lines or a part of one, as safe text. LF is kept.

    Each line is UTF-8 (RFC 3629), or Windows-1252 if it cannot be UTF-8. In *typed* data, the keys that erase do so.
    """
    if data.isascii():
        if len(data.translate(None, _NOTABLE_ASCII)) == len(data):
            return data.decode()
        return sanitise(data.decode(), typed)
    return sanitise(_characters(data), typed)


def sanitise(text: str, typed: bool = False) -> str:
    """
    Return *text* without anything that could fool its readers or their terminals.

    This removes escape sequences, invisible characters that change what is seen, and marks piled up on a letter. From
    *typed* text it also removes what the author has erased.
    """
    if not _NOTABLE.search(text) or not (_HARMFUL.search(text) or _STACK.search(text)):
        return text
    return "\n".join([_sanitise_line(line, typed) for line in text.split("\n")])


def _sanitise_line(line: str, typed: bool) -> str:
    # Invisible characters go first: a key that erases is meant for a character that its author saw.
    line = _UNSAFE_OR_FLAG.sub(r"\1", remove_escapes(line))
    return _cap_marks(erase(line) if typed else _KEY.sub("", line))


def _characters(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return "\n".join([_characters_of_line(line) for line in data.split(b"\n")])


def _characters_of_line(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:  # as IRC clients do: a line has one encoding, and nobody writes mojibake on purpose
        return line.decode("cp1252", "replace")


def _cap_marks(text: str) -> str:
    kept = []
    marks = 0
    for character in text:
        marks = marks + 1 if character in _JOINERS or is_mark(character) else 0
        if marks <= MOST_MARKS:
            kept.append(character)
    return "".join(kept)
