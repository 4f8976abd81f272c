"""
What it means that a line has a word: it is in there somewhere, in whatever case.

A part of a word is enough, as there are languages that put no blanks between their words. Nothing in a word is special.
Two letters are the same if both fold to the same single one (Unicode's simple case folding); but one of ASCII is never
the same as another. SQLite is told so as well: in LIKE, which folds ASCII only, or in GLOB, letter by letter.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

#: SQLite is asked for so many words, and so much of each. What it finds is looked at again.
_SQL_WORDS = 8
_SQL_CHARACTERS = 100


class Matcher:
    """Finds lines that have all *words*."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = [_fold(word) for word in words]

    def matches(self, line: str) -> bool:
        """Whether *line* has all words."""
        folded = _fold(line)
        return all(word in folded for word in self._words)

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
                parameters.append("*" + "".join(map(_glob, part)) + "*")
        return " AND ".join(conditions) or "TRUE", parameters


def _fold(text: str) -> str:
    return text.lower() if text.isascii() else text.translate(_tables()[0])


def _glob(folded: str) -> str:
    """Return what stands, in GLOB, for all letters that fold to this one."""
    if folded in "*?[":
        return f"[{folded}]"
    if folded.isascii():
        return f"[{folded}{folded.upper()}]" if folded.isalpha() else folded
    return f"[{folded}{_tables()[1].get(folded, '')}]"


@functools.cache
def _tables() -> tuple[dict[int, str], dict[str, str]]:
    """Return what each letter folds to, and the letters that fold to each that is not ASCII. Takes 20 ms, once."""
    folds = {ord(letter): letter.lower() for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
    letters: dict[str, str] = {}
    for number in range(0x80, 0x1E944):  # up to the last script with cases, Adlam
        letter = chr(number)
        folded = letter.casefold()
        if folded != letter and len(folded) == 1 and not folded.isascii():
            folds[number] = folded
            letters[folded] = letters.get(folded, "") + letter
    return folds, letters
