"""
Names: what may be one, and which two could be mistaken for each other.

A name is checked with the PRECIS Nickname profile (RFC 8266), and compared by two keys, case-folded
and with every look-alike letter replaced by its prototype (the confusables of Unicode TS 39).
Two names that share a key cannot both be taken. Pure functions; any thread may call.
"""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import Path

import confusable_homoglyphs
from precis_i18n import get_profile

from threadchat.base.errors import ChatError

MAX_NAME_CHARACTERS = 32

#: Letters, marks, numbers, and emoji. No other symbols, spaces or punctuation: nothing that looks like part of
#: a line's form, such as "* ", "[from x]", "/me" or a colon.
_CATEGORIES = frozenset(("Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Nd", "Nl", "So"))
_PROFILE = get_profile("NicknameCasePreserved")
_GUEST = re.compile(r"guest-?[\dlo]*")  # as keys have it: 1 looks like l, and 0 like o
#: Names that would look like the server, or like somebody with a say in it.
_RESERVED = ("server", "system", "threadchat", "admin", "operator", "root", "everyone", "all")


def guest_name(number: int) -> str:
    """Return the name of the newcomer with that *number*."""
    return f"guest-{number}"


def check_name(wanted: str) -> str:
    """
    Return the name that *wanted* stands for, in the form it will be shown in.

    Raises ChatError with a sentence for the user where it may not be a name.
    """
    try:
        name: str = _PROFILE.enforce(wanted)
    except UnicodeError:
        raise ChatError("That name has characters that a name may not have.") from None
    if len(name) > MAX_NAME_CHARACTERS:
        raise ChatError(f"A name has at most {MAX_NAME_CHARACTERS} characters.")
    if not all(c in "-_.'" or unicodedata.category(c) in _CATEGORIES for c in name):
        raise ChatError("A name has letters, digits and - _ . ' only, and no spaces.")
    if unicodedata.combining(name[0]) or not any(c.isalpha() or unicodedata.category(c) == "So" for c in name):
        raise ChatError("A name has at least one letter, and does not begin with an accent.")
    keys = name_keys(name)
    if any(_GUEST.fullmatch(key) for key in keys) or keys & _RESERVED_KEYS:
        raise ChatError(f"The name {name} is reserved.")
    return name


def name_keys(name: str) -> frozenset[str]:
    """
    Return the keys of *name*: two names that share one look the same, or differ in case only.

    Two, because case folding first hides that I looks like l, and folding last that N does not look like n.
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

    The library's table links every character with its prototype in both directions; the prototype
    is the one with several links, or, of a pair, the longer and then the smaller.
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
    # Some prototypes have look-alikes in them: Ø is an O with a stroke, and there are two such strokes.
    return {text: _replace(prototype, prototypes) for text, prototype in prototypes.items()}


def _replace(text: str, prototypes: dict[str, str]) -> str:
    decomposed = unicodedata.normalize("NFD", text)
    return unicodedata.normalize("NFD", "".join(prototypes.get(c, c) for c in decomposed))


def _bare(text: str) -> str:
    """Return *text* without the direction marks that the table wraps right-to-left letters in."""
    return text.replace("\u200e", "")


# Made while importing, once, and not by the first hundred threads that need it, all at the same time.
_PROTOTYPES = _load_prototypes()
_RESERVED_KEYS = frozenset(key for name in _RESERVED for key in name_keys(name))
