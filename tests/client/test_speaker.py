from __future__ import annotations

import pytest

from tests.chat.people import new_hub
from tests.fakes import FakeClock, ListSink
from threadchat.base.errors import ChatError
from threadchat.chat.session import Session
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
    assert Speaker("John").say("/me waves") == Said("/me waves", "** John waves")
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


GREETING = "* You are guest-1, with Ann and bob in lobby. Type /help for help."


def at_threadchat(name: str = "John", *answers: str) -> Speaker:
    """One who has come to threadchat and wants to be called *name*; the server's *answers* to that."""
    speaker = Speaker(name)
    speaker.heard("Any welcome: it is the owner's")
    assert speaker.heard(GREETING) == f"/nick {name}"
    for line in answers:
        assert speaker.heard(line) is None
    return speaker


def test_threadchat_is_asked_for_the_name_and_has_the_last_word() -> None:
    speaker = at_threadchat("Ｊohn")
    assert (speaker.name, speaker.awaits_answer) == ("guest-1", True)
    speaker.heard("* Ann is now Anna")
    assert speaker.awaits_answer
    speaker.heard("* You are now John")

    assert (speaker.name, speaker.awaits_answer, speaker.refusal) == ("John", False, "")


def test_to_threadchat_no_name_is_put_in_front() -> None:
    speaker = at_threadchat("John", "* You are now John")

    assert speaker.say("Hi") == Said("Hi", "John: Hi")
    assert speaker.say("John: Hi") == Said("John: John: Hi", "John: John: Hi")


def test_whom_threadchat_refuses_the_name_is_told_and_speaks_as_a_guest() -> None:
    speaker = at_threadchat("John", "* The name John is taken.")

    assert (speaker.name, speaker.awaits_answer) == ("guest-1", False)
    assert speaker.refusal == "The name John is taken."
    assert speaker.say("Hi") == Said("Hi", "guest-1: Hi")


@pytest.mark.parametrize(
    "wanted",
    ["guest-7", "admin", "x" * 33, "a b", "1", "\u0301a", "\ue000", "\u2800", "a" + "\u0301" * 9, "J0hn", "John"],
)
def test_every_refusal_of_threadchat_is_understood(wanted: str) -> None:
    hub = new_hub(FakeClock(), lambda seconds, function: None)
    hub.rename(hub.enter(ListSink()), "John")
    with pytest.raises(ChatError) as refusal:
        hub.rename(hub.enter(ListSink()), wanted)
    for suffix in ("", " You are still guest-1."):
        assert at_threadchat(wanted, f"* {refusal.value}{suffix}").refusal == f"{refusal.value}{suffix}"


def test_the_real_greeting_is_recognised() -> None:
    hub = new_hub(FakeClock(), lambda seconds, function: None)
    for count in (1, 2, 3, 9):
        sink = ListSink()
        Session(hub, sink, lambda: None, ask_name=count == 3).greet("Welcome: to *my* room")
        speaker = Speaker("John")
        answers = [speaker.heard(line) for line in sink.lines]

        assert list(filter(None, answers)) == ["/nick John"]


@pytest.mark.parametrize(
    "lines",
    [
        ["one", "two", GREETING],
        ["* You are now entering a chat."],
        ["You are guest-1, alone in lobby. Type /help for help."],
        ["Ann: " + GREETING],
    ],
)
def test_other_servers_are_told_nothing(lines: list[str]) -> None:
    speaker = Speaker("John")

    assert [speaker.heard(line) for line in lines] == [None] * len(lines)
    assert speaker.say("Hi") == Said("John: Hi", "John: Hi")


def test_where_the_name_went_first_it_is_not_sent_again() -> None:
    assert Speaker("John", prefix=False).say("Hi") == Said("Hi", "John: Hi")


def test_a_nick_waits_for_threadchat_to_confirm_it() -> None:
    speaker = at_threadchat("John", "* You are now John")
    speaker.say("/nick Ｊack")
    assert speaker.name == "John"
    speaker.heard("* You are now Jack")
    assert speaker.name == "Jack"


def test_a_refused_nick_leaves_the_name_and_is_no_refusal_of_the_first() -> None:
    speaker = at_threadchat("John", "* You are now John")
    speaker.say("/nick Anna")
    speaker.heard("* The name Anna is taken.")

    assert (speaker.name, speaker.refusal) == ("John", "")


def test_nobody_is_renamed_by_others() -> None:
    speaker = Speaker("John")
    speaker.heard("Welcome")
    speaker.heard("* You are now Fool")

    assert speaker.name == "John"
