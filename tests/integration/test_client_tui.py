"""The client on a terminal: a real process in a pseudo-terminal, and the screen a person would see."""

from __future__ import annotations

import re
import signal
import socket

import pytest

from tests.client.servers import Relay, echo, sends, sends_and_closes, serving
from tests.client.terminal import Terminal, client
from tests.waiting import until

JOHN = ("--name", "John")


def test_the_input_line_survives_what_others_say() -> None:
    """Lines appear above it while it is being typed, and it is sent whole."""
    relay = Relay()
    with serving(relay) as port, client("localhost", port) as john:
        john.expect("name:")
        john.enter("John")
        john.expect("name: John", "Welcome to the chatroom!", "John:")
        john.type("Hey ")
        john.expect("name: John", "Welcome to the chatroom!", "John: Hey")
        relay.say(b"OtherJohn: Hi!\n")
        john.expect("name: John", "Welcome to the chatroom!", "OtherJohn: Hi!", "John: Hey")
        john.enter("you!")
        relay.wait_until_heard(b"John: Hey you!\n")
        john.expect("name: John", "Welcome to the chatroom!", "OtherJohn: Hi!", "John: Hey you!", "John:")
        john.enter("exit")

        assert john.exit_code() == 0
        assert john.lines() == [
            "name: John",
            "Welcome to the chatroom!",
            "OtherJohn: Hi!",
            "John: Hey you!",
            "exit",
        ]


def test_typing_through_a_flood_loses_no_key() -> None:
    """However many lines come in between, no key lands on the screen or in the bin."""
    relay = Relay()
    text = "the quick brown fox"
    with serving(relay) as port, client("localhost", port, *JOHN) as john:
        john.expect_line("John:")
        for number, key in enumerate(text):
            relay.say(b"".join(b"Ann: line %d.%d\n" % (number, i) for i in range(50)))
            john.type(key)
        john.enter("")
        # The screen has to be read meanwhile, or the terminal takes no more of it.
        until(lambda: john.lines() and f"John: {text}\n".encode() in b"".join(relay.heard), "the line to be sent")


@pytest.mark.parametrize("server", [echo, Relay(echo_sender=True)])
def test_ones_own_line_is_shown_once_though_the_server_sends_it_back(server: Relay) -> None:
    """What everybody sends again after it, or what differs, is shown."""
    with serving(server) as port, client("localhost", port, *JOHN) as john:
        john.expect_line("John:")
        john.enter("Hi")
        john.enter("Hi")
        john.enter("/echo this")
        john.expect_line("/echo this")

        assert [line for line in john.lines() if line == "John: Hi"] == ["John: Hi"] * 2


def test_up_arrow_brings_earlier_lines_back() -> None:
    """The last one first."""
    relay = Relay()
    with serving(relay) as port, client("localhost", port, *JOHN) as john:
        john.expect_line("John:")
        john.enter("first")
        john.enter("second")
        relay.wait_until_heard(b"John: second\n")
        john.type("\x1b[A")
        john.expect_line("John: second")
        john.type("\x1b[A")
        john.enter("!")
        relay.wait_until_heard(b"John: first!\n")


def test_tab_completes_who_spoke_last_then_the_others() -> None:
    """With the colon that addresses somebody at the beginning of a line, and not within it."""
    relay = Relay()
    with serving(relay) as port, client("localhost", port, *JOHN) as john:
        relay.wait_for_members(1)
        relay.say(b"Anna: hi\nBob: hi\nAnton: hi\n")
        john.expect_line("Anton: hi")
        john.type("an\t")
        john.expect_line("John: Anton:")
        john.type("\t")
        john.expect_line("John: Anna:")
        john.type("ask b\t")
        john.enter("yourself")
        relay.wait_until_heard(b"John: Anna: ask Bob yourself\n")


def test_tab_completes_commands_and_they_are_sent_as_they_are() -> None:
    """Without a name in front, as the server expects them."""
    relay = Relay()
    with serving(relay) as port, client("localhost", port, *JOHN) as john:
        john.expect_line("John:")
        john.enter("/ni\tJack")
        relay.wait_until_heard(b"/nick Jack\n")
        john.expect_line("Jack:")
        john.enter("Hi")
        relay.wait_until_heard(b"Jack: Hi\n")


def test_pasted_lines_are_as_many_messages() -> None:
    """Bracketed paste waits for Enter; a farewell among the lines is the last of them."""
    relay = Relay()
    with serving(relay) as port, client("localhost", port, *JOHN) as john:
        john.expect_line("John:")
        john.type("\x1b[200~one\ntwo\nexit\nthree\x1b[201~")
        john.enter("")

        assert john.exit_code() == 0
        relay.wait_for_members(0)
        assert b"".join(relay.heard) == b"John: one\nJohn: two\n"


# Colours.


def _colours(john: Terminal, relay: Relay) -> tuple[str, str, str]:
    relay.wait_for_members(1)
    relay.say(b"Anna: hi\nBob: hi\n* Carl joined\n")
    john.expect_line("* Carl joined")
    return john.colour_at("Anna"), john.colour_at("Bob"), john.colour_at("* Carl")


@pytest.mark.parametrize("term", ["xterm-256color", "xterm", "linux"])
def test_each_name_has_its_colour_of_the_sixteen(term: str) -> None:
    """Names differ from each other; what the server says is dimmed."""
    relay = Relay()
    with serving(relay) as port, client("localhost", port, *JOHN, term=term) as john:
        anna, bob, server = _colours(john, relay)

        assert anna != bob
        assert "default" not in (anna, bob)
        assert server == "brightblack"
        assert john.colour_at(": hi") == "default"
        assert b"38;5" not in john.written
        assert b"38;2" not in john.written


def test_no_color_is_heeded() -> None:
    """As no-color.org has it: set and not empty."""
    relay = Relay()
    with serving(relay) as port, client("localhost", port, *JOHN, NO_COLOR="1") as john:
        assert _colours(john, relay) == ("default", "default", "default")


def test_a_dumb_terminal_gets_the_plain_client() -> None:
    """It could not move its cursor anyway."""
    relay = Relay()
    with serving(relay) as port, client("localhost", port, *JOHN, term="dumb") as john:
        john.expect("Welcome to the chatroom!")
        john.enter("Hi")
        john.expect("Welcome to the chatroom!", "Hi", "John: Hi")

        assert b"\x1b" not in john.written


# How it ends.


@pytest.mark.parametrize(
    ("keys", "code", "last"),
    [
        ("exit\r", 0, "exit"),
        (" quit \r", 0, "quit"),
        ("\x04", 0, "exit"),
        ("\x03", 130, "threadchat-client: interrupted"),
        ("half a line\x03", 130, "threadchat-client: interrupted"),
    ],
)
def test_the_user_leaves_and_the_terminal_is_as_it_was(keys: str, code: int, last: str) -> None:
    """At most one line says so, and the input line is gone."""
    with serving(sends(b"Hello\n")) as port, client("localhost", port, *JOHN) as john:
        john.expect("Hello", "John:")
        assert john.terminal_settings() != john.settings
        john.type(keys)

        assert john.exit_code() == code
        assert john.lines() == ["Hello", last]
        assert john.terminal_settings() == john.settings


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_leaves_the_terminal_as_it_was(number: int, code: int) -> None:
    """A terminal left in raw mode would be unusable."""
    with serving(sends(b"Hello\n")) as port, client("localhost", port, *JOHN) as john:
        john.expect("Hello", "John:")
        john.signal(number)

        assert john.exit_code() == code
        assert john.terminal_settings() == john.settings


def test_a_server_that_goes_ends_it_with_one_line() -> None:
    """After its last words, which need no line end, and whatever is being typed."""
    with serving(sends_and_closes(b"Hello\nGood night")) as port, client("localhost", port, *JOHN) as john:
        assert john.exit_code() == 3
        assert john.lines() == [
            "Hello",
            "Good night",
            "threadchat-client: the server closed the connection",
        ]
        assert john.terminal_settings() == john.settings


def test_leaving_by_the_servers_own_command_is_no_failure() -> None:
    """The server's farewell is shown, and its closing is what was asked for."""

    def behaviour(connection: socket.socket) -> None:
        connection.recv(100)
        connection.sendall(b"* Goodbye!\n")

    with serving(behaviour) as port, client("localhost", port, *JOHN) as john:
        john.expect("John:")
        john.enter("/quit")

        assert john.exit_code() == 0
        assert john.lines() == ["* Goodbye!"]


# Servers that are odd.


def test_a_prompt_without_a_line_end_is_shown() -> None:
    """Seven of other people's servers greet with one."""
    with serving(sends(b"\x1b[1mEnter your name:\x1b[0m ")) as port, client("localhost", port, *JOHN) as john:
        john.expect("Enter your name:", "John:")


def test_nothing_a_server_sends_moves_the_cursor() -> None:
    """Whatever it contains, each line is a line of text; blank ones and NULs are nothing."""
    evil = b"\x1b]0;owned\x07\x1b[2J\x1b[31mred\x1b[10;10H\xc2\x9b1m!\x08\x00\x00\r\n" + b"\n \0" * 5000
    with serving(sends(evil, b"* all\n")) as port, client("localhost", port, *JOHN) as john:
        john.expect("red!", "* all", "John:")
        written = re.sub(rb"\x1b\[[0-9;?]*[a-zA-Z]", b"", john.written)

        assert b"owned" not in written
        assert b"\x1b[2J" not in john.written
        assert b"\x1b[10;10H" not in john.written


def test_an_endless_line_is_left_out_and_said_to_be() -> None:
    """Sixteen megabytes without a line end cost a notice, not memory."""
    with (
        serving(sends(*[b"x" * 65536] * 256, b"\n* after\n")) as port,
        client("localhost", port, *JOHN) as john,
    ):
        john.expect("(a line of more than 65536 bytes is left out)", "* after", "John:")
