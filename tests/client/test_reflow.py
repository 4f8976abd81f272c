from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from threadchat.client.reflow import place_of


@pytest.mark.parametrize(
    ("cursor", "widths", "columns", "place"),
    [
        pytest.param(3, [1] * 10, 20, (0, 3), id="it fits"),
        pytest.param(19, [1] * 19, 20, (0, 19), id="behind the last character, it just fits"),
        pytest.param(20, [1] * 20, 20, (1, 0), id="behind the last character, in the next row"),
        pytest.param(45, [1] * 60, 20, (2, 5), id="in the third row"),
        pytest.param(6, [2] * 10, 5, (1, 2), id="a wide character is not cut: one cell is left over in each row"),
        pytest.param(5, [1, 0, 0, 1, 1, 1, 1, 1], 4, (1, 1), id="combining characters take no room"),
        pytest.param(25, [], 10, (2, 5), id="beyond all characters, as if there were spaces"),
    ],
)
def test_the_cursor_goes_along_with_its_character(
    cursor: int, widths: list[int], columns: int, place: tuple[int, int]
) -> None:
    assert place_of(cursor, widths, columns) == place


@given(st.integers(0, 300), st.integers(1, 100))
def test_of_narrow_characters_each_row_is_full(cursor: int, columns: int) -> None:
    assert place_of(cursor, [1] * cursor, columns) == divmod(cursor, columns)
