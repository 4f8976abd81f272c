"""A regular expression and SQLite find the same lines."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from threadchat.history.matching import Matcher

WORDS = st.text("aAzZéÉßẞσςΣКкǅ%_*?[]^-\\'\"!. ", min_size=1, max_size=4)
LINES = st.text("aAzZéÉßẞσςΣКкǅ%_*?[]^-\\'\"!. ", max_size=12)


@pytest.mark.parametrize(
    ("word", "line"),
    [("GRÜN", "das grüne"), ("σ", "ΛΌΓΟΣ"), ("ς", "λόγος"), ("Σ", "λόγος"), ("привет", "ПРИВЕТ!"), ("C++", "c++ is")],
)
def test_case_is_no_difference_in_any_script(word: str, line: str) -> None:
    assert Matcher([word]).matches(line)


@pytest.mark.parametrize(("word", "line"), [("e", "é"), ("a.c", "abc"), ("a*", "aa"), ("ss", "ß"), ("k", "\u212a")])
def test_other_differences_count(word: str, line: str) -> None:
    assert not Matcher([word]).matches(line)


def test_all_words_must_be_there() -> None:
    assert Matcher(["b", "A"]).matches("ab")
    assert not Matcher(["b", "c"]).matches("ab")


@given(words=st.lists(WORDS, min_size=1, max_size=3), line=LINES)
@example(words=["é^"], line="É^")
@example(words=["é]"], line="É]")
@example(words=["é-z"], line="É-Z")
def test_sqlite_agrees(words: list[str], line: str) -> None:
    matcher = Matcher(words)
    condition, parameters = matcher.sql("text")
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        (found,) = database.execute(f"SELECT {condition} FROM (SELECT ? AS text)", (*parameters, line)).fetchone()  # noqa: S608
    assert bool(found) == matcher.matches(line)


def test_sqlite_is_asked_for_the_beginning_of_a_long_question_only() -> None:
    """It would refuse all of it. What it finds is looked at again."""
    condition, parameters = Matcher(["x" * 100_000, *("é" * 30_000 for _ in range(200))]).sql("text")
    line = "x" * 100_000 + "é" * 30_000
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        query = f"SELECT {condition} FROM (SELECT ? AS text)"  # noqa: S608
        assert database.execute(query, (*parameters, line)).fetchone() == (1,)
