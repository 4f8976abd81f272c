"""
Names of people and of rooms: what may be a name, and which two names could be mistaken for each other.

A name is checked with the PRECIS Nickname profile (RFC 8266). It is compared by two keys, which are case-folded and
have every look-alike letter replaced by its prototype (the confusables of Unicode TS 39).
Two names that share a key cannot both be taken. Pure functions; any thread may call.
"""

from __future__ import annotations

import json
import re
import unicodedata
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import confusable_homoglyphs
from precis_i18n import get_profile

from threadchat.base.errors import ChatError
from threadchat.wire.text import is_mark

MAX_NAME_CHARACTERS = 32
#: How many marks a letter of a name may have. Names stand in other people's lines too.
MOST_MARKS = 3

_LETTERS = frozenset(("Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Nd", "Nl"))


class _Kind(NamedTuple):
    """What has a name. Spaces and other punctuation are not allowed: a name must not look like a line's form."""

    name: str
    may_have: str
    categories: frozenset[str]
    punctuation: str


_PERSON = _Kind("A name", "letters, digits, emoji and - _ . '", _LETTERS | {"So"}, "-_.'")
_ROOM = _Kind("A room's name", "letters, digits and - _ .", _LETTERS, "-_.")

_PROFILE = get_profile("NicknameCasePreserved")
#: Words in the names of symbols and letters that show nothing: BRAILLE PATTERN BLANK, MUSICAL SYMBOL NULL NOTEHEAD.
_BLANK = re.compile(r"\b(BLANK|FILLER|NULL|(SUB)?JOINER|SELECTOR|SPACE|OBJECT REPLACEMENT)\b")
#: What the lines of the chat are built with. Letters that look like these would make a name look like a line.
_FORM = frozenset(":*,[]()<>")
_GUEST = re.compile(r"guest-?[\dlo]*")  # in the form of keys, where 1 has become l, and 0 has become o
#: Names that look like the server, like somebody who runs it, or like a word that the server uses for people.
_RESERVED = (
    "server",
    "system",
    "threadchat",
    "admin",
    "operator",
    "root",
    "everyone",
    "all",
    "you",
    "nobody",
    "people",
)


def guest_name(number: int) -> str:
    """Return the name of the newcomer with that *number*."""
    return f"guest-{number}"


def check_name(wanted: str) -> str:
    """
    Return the name that *wanted* stands for, in the form in which it will be shown.

    Raises ChatError with a sentence for the user if it cannot be a name.
    """
    name = _enforce(wanted, _PERSON)
    if not any(c.isalpha() or unicodedata.category(c) == "So" for c in name):
        raise ChatError("A name has at least one letter.")
    keys = name_keys(name)
    if any(_GUEST.fullmatch(key) for key in keys) or keys & _RESERVED_KEYS:
        raise ChatError(f"The name {name} is reserved.")
    return name


def check_room_name(wanted: str) -> str:
    """Return the room name that *wanted* stands for, as :func:`check_name` does. It is folded to lower case."""
    name = _enforce(_enforce(wanted.removeprefix("#"), _ROOM).casefold(), _ROOM)
    if not any(c.isalnum() for c in name):
        raise ChatError("A room's name has at least one letter or digit.")
    return name


def _enforce(wanted: str, kind: _Kind) -> str:
    """Return *wanted* in its normal form, which may still be empty. Raises ChatError if it cannot be a name."""
    wanted = wanted.strip()
    for character in wanted:
        if not _may_be_in(character, kind):
            raise ChatError(_refusal(character, kind))
    try:
        name: str = _PROFILE.enforce(wanted) if wanted else ""
    except UnicodeEncodeError as problem:
        raise ChatError(_refusal(problem.object[problem.start], kind)) from None
    if len(name) > MAX_NAME_CHARACTERS:
        raise ChatError(f"{kind.name} has at most {MAX_NAME_CHARACTERS} characters.")
    if name and unicodedata.category(name[0]).startswith("M"):
        raise ChatError(f"{kind.name} does not begin with an accent.")
    if any(len(list(run)) > MOST_MARKS for marks, run in groupby(name, is_mark) if marks):
        raise ChatError(f"{kind.name} has at most {MOST_MARKS} accents on a letter.")
    return name


@lru_cache(1024)
def _may_be_in(character: str, kind: _Kind) -> bool:
    """Return whether a name of this *kind* may have *character*, that is, all parts of its normal form."""
    return all(_is_visible_part(c, kind) for c in unicodedata.normalize("NFKC", character))


def _is_visible_part(character: str, kind: _Kind) -> bool:
    category = unicodedata.category(character)
    if character in kind.punctuation:
        return True
    if category not in kind.categories or _BLANK.search(unicodedata.name(character, "")):
        return False
    # The visarga of Indian scripts looks like a colon, but is attached to the letter before it.
    return category == "Mc" or not _FORM & set(skeleton(character))


def _refusal(character: str, kind: _Kind) -> str:
    excess = ", and no spaces" if character.isspace() else f", not {_describe(character)}"
    return f"{kind.name} has {kind.may_have} only{excess}."


def _describe(character: str) -> str:
    """Return what *character* is called, for somebody who may not see it: U+200B ZERO WIDTH SPACE."""
    return f"U+{ord(character):04X} {unicodedata.name(character, '')}".rstrip()


def name_keys(name: str) -> frozenset[str]:
    """
    Return the keys of *name*. Two names that share a key look the same, or differ in case only.

    There are two keys. If case is folded first, M and m get the same key, but I does not get that of l any more. If it
    is folded last, I and l get the same key, but M does not get that of m.
    """
    return frozenset((skeleton(name.casefold()), skeleton(name).casefold()))


def skeleton(text: str) -> str:
    """Return *text* with every character replaced by its look-alike prototype (UTS 39, section 4)."""
    if text.isascii() and text.isalpha() and not set("lImwW") & set(text):
        return text
    return _replace(text, _PROTOTYPES)


def _load_prototypes() -> dict[str, str]:
    """
    Return the prototype of each confusable character.

    The library's table links every character with its prototype, in both directions. The one with several links is the
    prototype. If both have one link, it is the longer one; if both are of one length, it is the smaller one.
    """
    table = json.loads((Path(confusable_homoglyphs.__file__).parent / "confusables.json").read_text("utf-8"))
    links = {_bare(key): [_bare(link["c"]) for link in found] for key, found in table.items()}
    prototypes: dict[str, str] = {}
    for text, similar in links.items():
        if len(text) != 1 or len(similar) > 1:
            continue
        other = similar[0]
        if len(links.get(other, ())) > 1 or (-len(other), other) < (-len(text), text):
            prototypes[text] = other
    # Some prototypes contain look-alikes: Ø is an O with a stroke, and there are two such strokes.
    return {text: _replace(prototype, prototypes) for text, prototype in prototypes.items()}


def _replace(text: str, prototypes: dict[str, str]) -> str:
    decomposed = unicodedata.normalize("NFD", text)
    return unicodedata.normalize("NFD", "".join(prototypes.get(c, c) for c in decomposed))


def _bare(text: str) -> str:
    """Return *text* without the direction marks that the table wraps right-to-left letters in."""
    return text.replace("\u200e", "")


# Made once, while importing. Else the first hundred threads that need it would all make it at the same time.
_PROTOTYPES = _load_prototypes()
_RESERVED_KEYS = frozenset(key for name in _RESERVED for key in name_keys(name))
