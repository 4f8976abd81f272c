"""What is picked of what is kept."""

from __future__ import annotations

from tests.history.talk import NOW
from threadchat.chat.events import Event, Kind
from threadchat.history.matching import Matcher
from threadchat.history.selecting import first_events, last_lines, matching_lines

EVENTS = [Event(Kind.SAID, 1, 2, NOW, "alice", "1\n2"), Event(Kind.DID, 3, 1, NOW, "bob", "3")]


def test_first_events_end_with_the_one_that_is_enough() -> None:
    assert first_events(EVENTS, 0, 3) == EVENTS[:1]
    assert first_events(EVENTS, 0, 4) == EVENTS
    assert [event.text for event in first_events(EVENTS, 1, 1)] == ["2"]


def test_last_lines_begin_in_the_middle_of_an_event() -> None:
    assert [event.text for event in last_lines(reversed(EVENTS), 2)] == ["2", "3"]
    assert last_lines(reversed(EVENTS), 100) == EVENTS
    assert last_lines(reversed(EVENTS), 0) == []


def test_matching_lines_have_their_own_numbers() -> None:
    assert [found.number for found in matching_lines(EVENTS[0], Matcher([""]), None)] == [2, 1]
    assert [found.number for found in matching_lines(EVENTS[0], Matcher(["2"]), None)] == [2]
    assert matching_lines(EVENTS[0], Matcher(["2"]), 2) == []


def test_a_topic_is_nothing_that_was_said() -> None:
    assert matching_lines(EVENTS[0]._replace(kind=Kind.TOPIC), Matcher(["2"]), None) == []
