from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from prompt_toolkit.styles import ANSI_COLOR_NAMES

from threadchat.client.look import COLOURS, DIM, colour_of, styled


def test_only_colours_that_every_terminal_has() -> None:
    assert {*COLOURS, DIM} <= set(ANSI_COLOR_NAMES)


def test_a_name_has_its_colour_in_any_case_and_in_every_run() -> None:
    assert colour_of("John") == colour_of("JOHN") == "ansimagenta"


def test_names_are_spread_over_all_colours() -> None:
    assert {colour_of(f"name{number}") for number in range(200)} == set(COLOURS)


def test_the_name_is_coloured_and_the_text_is_not() -> None:
    assert styled("John: Hi: there") == [(colour_of("John"), "John"), ("", ": Hi: there")]


def test_the_servers_own_lines_are_dimmed() -> None:
    assert styled("* John: joined") == [(DIM, "* John: joined")]


def test_whoever_does_something_is_coloured_too() -> None:
    assert styled("** John waves") == [("", "** "), (colour_of("John"), "John"), ("", " waves")]
    assert styled("** ") == [("", "** ")]


@given(st.text() | st.text().map("** {}".format) | st.text().map("** John {}".format))
def test_no_character_is_lost_or_added(line: str) -> None:
    assert "".join(text for _, text in styled(line)) == line
