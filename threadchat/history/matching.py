"""
What it means that a line has a word: the word is somewhere in the line, in whatever case.

A part of a word is enough, because some languages put no blanks between words. No character is special. Two letters
are the same if both fold to the same single letter (Unicode's simple case folding). But a letter of ASCII is never the
same as one outside ASCII. SQLite follows the same rules: with LIKE, which folds ASCII only, or with GLOB and a pattern
that lists each letter's forms.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

#: SQLite looks for so many words, and for so many characters of each. What it finds is looked at again here.
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
        """Return a condition and its parameters. It holds for every text with such a line, and for few others."""
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
    """Return a GLOB pattern for all letters that fold to this one."""
    if folded in "*?[":
        return f"[{folded}]"
    if folded.isascii():
        return f"[{folded}{folded.upper()}]" if folded.isalpha() else folded
    return f"[{folded}{_tables()[1].get(folded, '')}]"


@functools.cache
def _tables() -> tuple[dict[int, str], dict[str, str]]:
    """Return each letter's fold, and the letters that have each fold outside ASCII. Takes 20 ms, once."""
    folds = {ord(letter): letter.lower() for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
    letters: dict[str, str] = {}
    for number in range(0x80, 0x1E944):  # up to the last script with cases, Adlam
        letter = chr(number)
        folded = letter.casefold()
        if folded != letter and len(folded) == 1 and not folded.isascii():
            folds[number] = folded
            letters[folded] = letters.get(folded, "") + letter
    return folds, letters
