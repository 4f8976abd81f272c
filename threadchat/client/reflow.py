"""
Where the cursor is after a terminal has become narrower.

Most terminals wrap what no longer fits in one row, and the cursor moves along with its character. Others cut the rest
off, and the cursor stays in its row. Where the cursor is shows which kind a terminal is (resizing). Pure functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Place(NamedTuple):
    """A cell of a terminal. Both numbers count from 0; row 0 is where the line begins."""

    row: int
    column: int


def place_of(cursor: int, widths: Sequence[int], columns: int) -> Place:
    """
    Return where *cursor*, a column of one long row, goes when that row is wrapped at *columns*.

    *widths* are the widths of the row's characters. A wide one (2) is never cut in half; a combining one (0) takes no
    room. After its last character, the row counts as filled with spaces.
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
