"""
What it means that a line has a word: it is in there somewhere, in whatever case.

A part of a word is enough, as there are languages that put no blanks between their words. Nothing in a word is special.
The same rule is said in three languages: for SQLite in LIKE, which folds ASCII only, or else GLOB, and in a regular
expression. Each letter stands for all that fold to the same single one (Unicode's simple case folding).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

#: SQLite is asked for so many words, and so much of each; the regular expressions then look at all of it.
_SQL_WORDS = 8
_SQL_CHARACTERS = 100


class Matcher:
    """Finds lines that have all *words*."""

    def __init__(self, words: Sequence[str]) -> None:
        self._patterns = [re.compile("".join(_class(character) for character in word)) for word in words]
        self._words = words

    def matches(self, line: str) -> bool:
        """Whether *line* has all words."""
        return all(pattern.search(line) for pattern in self._patterns)

    def sql(self, column: str) -> tuple[str, list[str]]:
        """Return a condition, and its parameters, that holds for every text with such a line; and for few others."""
        conditions, parameters = [], []
        for word in self._words[:_SQL_WORDS]:
            part = word[:_SQL_CHARACTERS]
            if part.isascii():
                conditions.append(f"{column} LIKE ? ESCAPE '\\'")
                parameters.append("%" + re.sub(r"([\\%_])", r"\\\1", part) + "%")
            else:
                conditions.append(f"{column} GLOB ?")
                parameters.append("*" + "".join(_glob_class(character) for character in part) + "*")
        return " AND ".join(conditions) or "TRUE", parameters


def _variants(character: str) -> str:
    """Return all characters that are the same as this one, in whatever case."""
    if character.isascii():
        return "".join(sorted({character.lower(), character.upper()}))
    folded = character.casefold()
    if len(folded) > 1:
        folded = character
    return folded + _folding().get(folded, "")


def _class(character: str) -> str:
    return "[" + re.escape(_variants(character)) + "]"


def _glob_class(character: str) -> str:
    # "]" and "^" are ordinary only where they cannot mean anything else.
    return f"[{_variants(character)}]" if character != "^" else "^"


@functools.cache
def _folding() -> dict[str, str]:
    """Return, for each folded letter that is not ASCII, those that fold to it. Takes 20 ms, once."""
    found: dict[str, str] = {}
    for number in range(0x80, 0x1E944):  # the last script with cases: Adlam
        character = chr(number)
        folded = character.casefold()
        if folded != character and len(folded) == 1:
            found[folded] = found.get(folded, "") + character
    return found
