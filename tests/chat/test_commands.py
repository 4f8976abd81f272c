"""The commands, one after the other."""

from __future__ import annotations

import pytest

from tests.chat.people import Chat
from threadchat.chat.commands import COMMANDS, MOST_LISTED, Command


@pytest.fixture
def chat() -> Chat:
    """An empty chat."""
    return Chat()


def test_help_lists_every_command_with_its_arguments(chat: Chat) -> None:
    """One line of the server's each, made from the table."""
    (ann,) = chat.of("ann")
    ann.says("/help")
    listed = ann.hears()
    assert [line.split("  ")[0] for line in listed] == [f"* {command.usage}" for command in COMMANDS]
    assert all(line.endswith(f"  {command.help}") for line, command in zip(listed, COMMANDS, strict=True))


def test_the_table_has_what_the_design_names() -> None:
    """A command that is renamed or lost is noticed."""
    assert {"help", "nick", "who", "rooms", "join", "msg", "me", "quit"} <= {command.name for command in COMMANDS}


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.required], ids=lambda c: c.name)
def test_wrong_usage_is_told(chat: Chat, command: Command) -> None:
    """Too few words: the usage, to the one who typed it, and nothing else happens."""
    ann, bob = chat.of("ann", "bob")
    for words in range(command.required):
        ann.says(f"/{command.name} " + "word " * words)
        assert ann.hears() == [f"* Usage: {command.usage}"]
    assert bob.hears() == []


@pytest.mark.parametrize("line", ["/", "/ help", "/nosuch", "/hel"])
def test_what_is_no_command_is_told(chat: Chat, line: str) -> None:
    """With the way to help and the way to say it."""
    (ann,) = chat.of("ann")
    ann.says(line)
    (told,) = ann.hears()
    assert told.startswith("* There is no command /")
    assert "/help" in told
    assert "//" in told


def test_a_long_unknown_command_is_told_in_short(chat: Chat) -> None:
    """A path pasted by mistake does not come back whole."""
    (ann,) = chat.of("ann")
    ann.says("/" + "x" * 4000)
    assert len(ann.hears()[0]) < 200


def test_nick_renames(chat: Chat) -> None:
    """The one who did it and the others are told."""
    ann, bob = chat.of("ann", "bob")
    ann.says("/nick  eve ")
    assert ann.hears() == ["* You are now eve"]
    assert bob.hears() == ["* ann is now eve"]


def test_nick_to_a_taken_name_is_told(chat: Chat) -> None:
    """And nobody else hears of it."""
    ann, bob = chat.of("ann", "bob")
    ann.says("/nick BOB")
    assert ann.hears() == ["* The name BOB is taken."]
    assert bob.hears() == []
    assert ann.name == "ann"


def test_nick_to_ones_own_name_is_no_event(chat: Chat) -> None:
    """Nothing has changed."""
    ann, bob = chat.of("ann", "bob")
    ann.says("/nick ann")
    assert ann.hears() == bob.hears() == []


def test_who_lists_the_room(chat: Chat) -> None:
    """Oneself included, those of other rooms not."""
    ann, bob, eve = chat.of("ann", "bob", "eve")
    eve.says("/join den")
    ann.hears()
    ann.says("/who")
    assert ann.hears() == ["* 2 in lobby: ann and bob"]
    assert bob.hears() == ["* eve left for den"]


def test_who_in_a_crowd_lists_some(chat: Chat) -> None:
    """The answer stays an answer."""
    (ann,) = chat.of("ann")
    for _ in range(MOST_LISTED + 9):
        chat.enter()
    ann.hears()
    ann.says("/who")
    (told,) = ann.hears()
    assert told.startswith(f"* {MOST_LISTED + 10} in lobby: ann, guest-2, ")
    assert told.endswith(" and 10 more")


def test_rooms_lists_the_fullest_first(chat: Chat) -> None:
    """With the number of people in each."""
    ann, _, eve = chat.of("ann", "bob", "eve")
    eve.says("/join den")
    ann.hears()
    ann.says("/rooms")
    assert ann.hears() == ["* 2 rooms: lobby (2) and den (1)"]


def test_join_goes_to_a_room_and_makes_it(chat: Chat) -> None:
    """The mover is told who is there; both rooms are told of the mover, the old one that nobody has quit."""
    ann, bob, eve = chat.of("ann", "bob", "eve")
    ann.says("/join #Den")
    assert ann.hears() == ["* You are in den, alone."]
    bob.hears()
    bob.says("/join den")
    assert bob.hears() == ["* You are in den, with ann."]
    assert ann.hears() == ["* bob joined"]
    assert eve.hears() == ["* ann left for den", "* bob left for den"]


def test_join_to_no_room_is_told(chat: Chat) -> None:
    """And one stays where one is."""
    ann, bob = chat.of("ann", "bob")
    ann.says("/join no/where", "/join lobby")
    assert [line.split(" ")[1] for line in ann.hears()] == ["A", "You"]
    ann.says("still here")
    assert bob.hears() == ["ann: still here"]


def test_msg_reaches_one_person(chat: Chat) -> None:
    """In any room, under any case of the name, and nobody else; the sender sees what was sent."""
    ann, bob, eve = chat.of("ann", "bob", "eve")
    eve.says("/join den")
    for person in (ann, bob, eve):
        person.hears()
    ann.says("/msg EVE  two  words")
    assert eve.hears() == ["[from ann] two  words"]
    assert ann.hears() == ["[to eve] two  words"]
    assert bob.hears() == []


@pytest.mark.parametrize(("name", "told"), [("nobody", "* There is nobody called nobody."), ("ANN", "* That is you.")])
def test_msg_to_nobody_or_oneself_is_told(chat: Chat, name: str, told: str) -> None:
    """The text is not sent anywhere."""
    ann, bob = chat.of("ann", "bob")
    ann.says(f"/msg {name} psst")
    assert ann.hears() == [told]
    assert bob.hears() == []


def test_me_says_what_one_does(chat: Chat) -> None:
    """To the others in the room, with two stars: one is the server's."""
    ann, bob = chat.of("ann", "bob")
    ann.says("/me waves")
    assert bob.hears() == ["** ann waves"]
    assert ann.hears() == []


@pytest.mark.parametrize(
    "text", ["* The server is shutting down. Goodbye!", "** ann waves", "[from ann] psst", "[to ann] psst", "\t* x"]
)
@pytest.mark.parametrize("command", ["", "/me ", "//", "/msg bob "])
def test_nobody_can_write_the_servers_lines(chat: Chat, command: str, text: str) -> None:
    """Whatever is said has its talker in front."""
    ann, bob = chat.of("ann", "bob")
    ann.says(command + text)
    (heard,) = bob.hears()
    assert heard.startswith(("ann: ", "** ann ", "[from ann] "))
