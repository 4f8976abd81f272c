from __future__ import annotations

import pytest

from threadchat.base.errors import ChatError
from threadchat.client.speaker import Said, Speaker, check_name, is_farewell


@pytest.mark.parametrize("name", ["John", "OtherJohn", "jo-2", "Zoë", "王", " John "])
def test_a_word_is_a_name(name: str) -> None:
    assert check_name(name) == name.strip()


@pytest.mark.parametrize(
    "name", ["", "  ", "a b", "a:b", "a\tb", "a\nb", "a\x1bb", "a\u202eb", "*x", "/x", "[x", "x" * 33]
)
def test_what_would_confuse_a_reader_is_no_name(name: str) -> None:
    with pytest.raises(ChatError):
        check_name(name)


@pytest.mark.parametrize(("text", "expected"), [("quit", True), (" exit ", True), ("exit now", False), ("", False)])
def test_quit_and_exit_alone_are_farewells(text: str, expected: bool) -> None:
    assert is_farewell(text) is expected


def test_what_is_said_has_the_name_in_front() -> None:
    assert Speaker("John").say("Hi there ") == Said("John: Hi there", "John: Hi there")


@pytest.mark.parametrize("text", ["", "  ", "\t", "\x1b"])
def test_nothing_is_said_with_a_blank_line(text: str) -> None:
    assert Speaker("John").say(text) is None


def test_control_characters_are_not_said() -> None:
    assert Speaker("John").say("a\x1b[31mb\rc\u202ed") == Said("John: abcd", "John: abcd")


def test_a_command_is_sent_as_it_is_and_not_shown() -> None:
    assert Speaker("John").say("/who") == Said("/who", "")


def test_me_is_shown_to_its_author_as_to_the_others() -> None:
    assert Speaker("John").say("/me waves") == Said("/me waves", "* John waves")
    assert Speaker("John").say("/me") == Said("/me", "")


def test_a_doubled_slash_is_sent_as_it_is_and_shown_as_it_will_be() -> None:
    assert Speaker("John").say("//etc") == Said("//etc", "John: /etc")


@pytest.mark.parametrize("command", ["/quit", "/exit", "/quit bye"])
def test_leaving_by_command_is_remembered(command: str) -> None:
    speaker = Speaker("John")
    speaker.say(command)

    assert speaker.asked_to_leave


def test_a_command_that_only_begins_like_one_is_another() -> None:
    speaker = Speaker("John")
    speaker.say("/quitter")
    speaker.say("/nickname X")

    assert not speaker.asked_to_leave
    assert speaker.name == "John"


def test_nick_changes_the_name_at_once_where_no_server_confirms() -> None:
    speaker = Speaker("John")
    speaker.heard("Welcome to the chatroom!")
    speaker.say("/nick Jack")

    assert speaker.say("Hi") == Said("Jack: Hi", "Jack: Hi")


@pytest.mark.parametrize("wanted", ["/nick", "/nick ", "/nick a:b", "/nick two words"])
def test_an_impossible_nick_changes_nothing_here(wanted: str) -> None:
    speaker = Speaker("John")
    speaker.say(wanted)

    assert speaker.name == "John"


def test_nick_waits_for_a_server_that_confirms() -> None:
    speaker = Speaker("John")
    speaker.heard("* You are guest-1, alone in lobby. Type /help for help.")
    speaker.say("/nick Ｊack")
    assert speaker.name == "John"
    speaker.heard("* You are now Jack")
    assert speaker.name == "Jack"


def test_a_refused_nick_leaves_the_name() -> None:
    speaker = Speaker("John")
    speaker.heard("* You are guest-1, alone in lobby. Type /help for help.")
    speaker.say("/nick Anna")
    speaker.heard("* The name Anna is taken.")

    assert speaker.name == "John"


def test_nobody_is_renamed_by_others() -> None:
    speaker = Speaker("John")
    speaker.heard("* You are now Fool")

    assert speaker.name == "John"
