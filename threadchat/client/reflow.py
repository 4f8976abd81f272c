"""
Where the cursor is after a terminal has become narrower.

Most terminals wrap what no longer fits in one row, and the cursor goes along with its character; others cut it
off, and the cursor stays in its row. The two are told apart by asking where it is (resizing). Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Place(NamedTuple):
    """A cell of a terminal, counted from 0, the row from the one where the line begins."""

    row: int
    column: int


def place_of(cursor: int, widths: Sequence[int], columns: int) -> Place:
    """
    Return where *cursor*, a column of one long row, goes when that row is wrapped at *columns*.

    *widths* are those of the row's characters. A wide one (2) is never cut in half; combining ones (0) take no room.
    Beyond the last character, the row is as if it had spaces.
    """
    row = column = start = 0
    for width in [*widths, *[1] * (cursor + 1)]:
        if column + width > columns:
            row, column = row + 1, 0
        if start + width > cursor:
            break
        start += width
        column += width
    return Place(row, column)
