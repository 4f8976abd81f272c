"""Escape sequences: nothing of them stays, and nothing else goes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from threadchat.wire.escapes import remove_escapes

SEQUENCES = [
    "\x1b[31m",
    "\x1b[38;5;196m",
    "\x1b[2J",
    "\x1b[?1049h",
    "\x1b[10;20H",
    "\x1b[1 q",
    "\x9b31m",
    "\x1b]0;a title\x07",
    "\x1b]8;;http://example.org\x1b\\",
    "\x9d2;title\x9c",
    "\x1bP1$r0m\x1b\\",
    "\x90q#0\x9c",
    "\x1b_command\x1b\\",
    "\x1b^private\x1b\\",
    "\x1b(B",
    "\x1b%G",
    "\x1b#8",
    "\x1bc",
    "\x1b7",
    "\x1b[A",  # a cursor key
    "\x1bOA",  # the same, of a terminal in application mode
    "\x1bOP",
    "\x1b[[A",  # F1 of a Linux console
    "\x1b[15~",
]


@pytest.mark.parametrize("sequence", SEQUENCES)
def test_a_sequence_goes_as_a_whole(sequence: str) -> None:
    """With its parameters, its string and what ends it."""
    assert remove_escapes(f"be{sequence}fore") == "before"


@pytest.mark.parametrize(
    "unfinished", ["\x1b", "\x1b[", "\x1b[3", "\x1b]0;title", "\x1bP1", "\x1b(", "\x1bO", "\x9b1;"]
)
def test_an_unfinished_sequence_ends_with_its_line(unfinished: str) -> None:
    """The next line is not swallowed."""
    assert remove_escapes(f"before{unfinished}\nnext") == "before\nnext"


@given(st.lists(st.one_of(st.sampled_from(SEQUENCES), st.sampled_from(["é", "[", "m", "one", " ", "\n", "31"]))))
def test_text_between_sequences_stays(parts: list[str]) -> None:
    """Whatever the order."""
    assert remove_escapes("".join(parts)) == "".join(part for part in parts if part not in SEQUENCES)


@given(st.text(st.sampled_from("\x1b\x9b\x9d[]m;1\x07\\(PO\na")))
def test_no_escape_is_left_and_no_line_is_lost(text: str) -> None:
    """Whatever comes."""
    left = remove_escapes(text)
    assert "\x1b" not in left
    assert left.count("\n") == text.count("\n")
    assert remove_escapes(left) == left
