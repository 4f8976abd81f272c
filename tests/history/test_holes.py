"""Where talk is missing."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from threadchat.chat.history import Gap
from threadchat.history.holes import Holes


def test_there_are_none_at_first() -> None:
    assert Holes().between(0, 1000) == []


def test_gaps_that_touch_are_one() -> None:
    holes = Holes().with_gap(Gap(3, 4)).with_gap(Gap(5, 6)).with_gap(Gap(8, 8))
    assert holes.gaps == (Gap(3, 6), Gap(8, 8))


def test_what_is_trimmed_takes_gaps_along() -> None:
    """Their number stays in proportion to what is kept."""
    holes = Holes().with_gap(Gap(3, 4)).with_gap(Gap(8, 8)).without_talk_up_to(7)
    assert holes == Holes(7, (Gap(8, 8),))
    assert holes.between(0, 20) == [Gap(1, 8)]
    assert holes.without_talk_up_to(5) is holes
    assert holes.with_gap(Gap(2, 3)) is holes


@given(
    lengths=st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), max_size=6),
    trimmed=st.integers(0, 10),
    after=st.integers(0, 60),
    count=st.integers(0, 60),
)
def test_they_are_the_numbers_that_were_noted(
    lengths: list[tuple[int, int]], trimmed: int, after: int, count: int
) -> None:
    holes, number, missing = Holes(trimmed), trimmed + 2, set(range(1, trimmed + 1))
    for kept, lost in lengths:
        holes = holes.with_gap(Gap(number + kept, number + kept + lost - 1))
        missing |= set(range(number + kept, number + kept + lost))
        number += kept + lost
    found = holes.between(after, after + count)
    assert [n for first, last in found for n in range(first, last + 1)] == sorted(
        missing & set(range(after + 1, after + count + 1))
    )
    assert all(before.last + 1 < gap.first for before, gap in itertools.pairwise(found))
