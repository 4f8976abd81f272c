"""The commands about what was said before."""

from __future__ import annotations

import re

import pytest

from tests.chat.people import Chat, Person, at_once, new_hub
from tests.chat.rooms import FailingHistory
from tests.fakes import FakeClock
from threadchat.chat.caller import ANNOUNCED_COST
from threadchat.chat.past import PAGE


@pytest.fixture
def ann() -> Person:
    """Somebody in a room where bob has said three things, and waved."""
    chat = Chat()
    bob, ann = chat.of("bob", "ann")
    bob.says("tea at five", "or six")
    bob.says("/me waves", "bring Cake")
    bob.hears()
    ann.hears()
    return ann


def answers(person: Person, command: str) -> list[str]:
    person.says(command)
    return person.hears()


def test_history_shows_what_was_said_last(ann: Person) -> None:
    said = ["bob: tea at five", "bob: or six", "** bob waves", "bob: bring Cake"]
    assert answers(ann, "/history") == ["* The last 4 lines here:", *said, "* That was all."]
    assert answers(ann, "/history 1") == ["* The last line here:", said[-1], "* That was all."]


@pytest.mark.parametrize("argument", ["x", "-1", "1.5", "٣", "9" * 30])
def test_what_is_no_number_of_lines_is_told_how_to_write_it(ann: Person, argument: str) -> None:
    assert answers(ann, f"/history {argument}") == ["* Usage: /history [LINES]"]


def test_a_number_out_of_bounds_is_told_them(ann: Person) -> None:
    assert answers(ann, "/history 0") == ["* That is a number from 1 to 500."]
    (told,) = answers(ann, "/since 99")
    assert re.fullmatch(r"\* That is a number from 0 to \d+\.", told)


def test_where_nothing_was_said_there_is_nothing(ann: Person) -> None:
    ann.says("/join den")
    ann.hears()
    assert answers(ann, "/history") == ["* Nothing has been said here that is kept."]


def test_since_shows_the_rest_and_goes_on(ann: Person) -> None:
    """With or without the mark that numbers are shown with."""
    ann.says("/numbers on")
    ann.hears()
    numbers = [line.split()[0] for line in answers(ann, "/history")[1:-1]]
    shown = answers(ann, f"/since {numbers[1]}")
    assert [line.split()[0] for line in shown[1:]] == numbers[2:]
    assert shown[0] == f"* Everything after {numbers[1]}:"


def test_search_finds_lines_that_have_all_words(ann: Person) -> None:
    """Whatever their case, the newest first, as single lines with their numbers."""
    found = answers(ann, "/search CAKE")
    assert [re.sub(r"^#\d+ \d{4}-\d\d-\d\d \d\d:\d\d ", "", line) for line in found] == [
        "bob: bring Cake",
        "* That was all.",
    ]
    assert answers(ann, "/search tea six") == ["* No line that is kept has tea and six."]
    assert answers(ann, "/search") == ["* Usage: /search WORDS"]


def test_search_goes_on_page_by_page() -> None:
    chat = Chat()
    bob, ann = chat.of("bob", "ann")
    bob.says(*[f"apple {number}" for number in range(2 * PAGE + 1)])
    ann.hears()
    first, second, third = (answers(ann, command) for command in ("/search apple", "/search", "/search"))
    assert [len(page) for page in (first, second, third)] == [PAGE + 1, PAGE + 1, 2]
    assert first[-1] == "* There are more: /search shows the next ones."
    numbers = [int(line.rsplit(" ", 1)[1]) for page in (first, second, third) for line in page[:-1]]
    assert numbers == list(reversed(range(2 * PAGE + 1)))


def test_a_topic_is_set_shown_and_removed(ann: Person) -> None:
    assert answers(ann, "/topic") == ["* There is no topic. /topic TEXT sets it."]
    assert answers(ann, "/topic Tea") == ["* You have set the topic: Tea"]
    assert answers(ann, "/topic") == ["* The topic is: Tea"]
    assert answers(ann, "/topic Tea") == ["* That is the topic already."]
    assert answers(ann, "/topic " + "x" * 301) == ["* A topic has at most 300 characters."]
    assert answers(ann, "/topic -") == ["* You have removed the topic."]
    assert answers(ann, "/topic -") == ["* There is no topic."]


@pytest.mark.parametrize("command", ["numbers", "times"])
def test_lines_are_written_as_one_likes(ann: Person, command: str) -> None:
    assert answers(ann, f"/{command} maybe") == [f"* Usage: /{command} on|off"]
    ann.says(f"/{command} on")
    ann.hears()
    assert not answers(ann, "/history 1")[1].startswith("bob")
    ann.says(f"/{command} off")
    ann.hears()
    assert answers(ann, "/history 1")[1].startswith("bob")


def test_a_topic_is_told_to_all_and_costs_what_that_does() -> None:
    """Looking at it is free."""
    bob, ann = Chat().of("bob", "ann")
    bob.session.owed = 0
    answers(bob, "/topic")
    assert bob.session.owed == 0
    answers(bob, "/topic tea")
    assert bob.session.owed == ANNOUNCED_COST
    assert ann.hears() == ["* bob has set the topic: tea"]


def test_a_history_that_cannot_be_read_says_so() -> None:
    """Why is for the log."""
    clock, history = FakeClock(), FailingHistory()
    ann = Person(new_hub(clock, at_once(clock), history))
    ann.hears()
    history.failing = {"read"}
    assert answers(ann, "/history") == ["* The history cannot be read just now. Try again later."]
    assert answers(ann, "/search x") == ["* The history cannot be searched just now. Try again later."]
