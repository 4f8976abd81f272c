"""The client on a terminal: a real process in a pseudo-terminal, and the screen a person would see."""

from __future__ import annotations

import re
import signal
import socket
from pathlib import Path

import pytest

from tests.client import tmux
from tests.client.servers import Relay, echo, sends, sends_and_closes, serving
from tests.client.terminal import Terminal, client, input_line
from tests.conftest import Serve
from tests.running import Running
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


# Terminals that are resized, or small, or old.


#: Long, and without repetitions, so that each part of them is known by sight.
NARROW = " ".join(f"{number} bottles of beer," for number in range(99, 92, -1)) + " "
WIDE = "いろはにほへとちりぬるをわかよたれそつねならむうゐのおくやまけふこえてあさきゆめみしゑひもせす"
ACCENTS = "".join(f"é{number}" for number in range(10, 50))


@pytest.mark.parametrize("keys", [NARROW, WIDE + WIDE[::-1], ACCENTS], ids=["narrow", "wide", "accents"])
def test_a_resized_terminal_keeps_one_input_line_and_all_that_was_said(tmp_path: Path, keys: str) -> None:
    """Whatever is wrapped anew meanwhile; the line grows again with its terminal."""
    said = [f"Ann: this is line {number}, which is longer than a narrow terminal is wide" for number in range(40)]
    relay = Relay()
    with serving(relay) as port, tmux.client(tmp_path, "127.0.0.1", port, *JOHN, columns=100) as john:
        relay.wait_for_members(1)
        relay.say("".join(f"{line}\n" for line in said).encode())
        shown = ["Welcome to the chatroom!", *said]
        john.expect(*shown, "John:")
        john.type(keys)
        john.expect(*shown, input_line("John: ", keys, 100), cursor=99)
        john.rests()
        for columns in (60, 40, 70, 30, 41, 17, 100):
            john.resize(columns)
            john.expect(*shown, input_line("John: ", keys, columns), cursor=columns - 1)
        relay.say(b"Ann: after\n")
        john.expect(*shown, "Ann: after", input_line("John: ", keys, 100))
        john.resize(200)
        john.expect(*shown, "Ann: after", f"John: {keys}".rstrip())


def test_pasted_lines_survive_resizing_too(tmp_path: Path) -> None:
    """They are several rows, until Enter says them."""
    relay = Relay()
    rows = [letter * 70 for letter in "abc"]
    with serving(relay) as port, tmux.client(tmp_path, "127.0.0.1", port, *JOHN, columns=100) as john:
        relay.wait_for_members(1)
        relay.say(b"Ann: Hi\n" * 40)
        shown = ["Welcome to the chatroom!", *["Ann: Hi"] * 40]
        john.expect(*shown, "John:")
        john.type("\x1b[200~" + "\n".join(rows) + "\x1b[201~")
        john.expect(*shown, f"John: {rows[0]}", *rows[1:], cursor=70)
        john.rests()
        for columns in (60, 40):
            john.resize(columns)
            until(lambda: len(john.lines()) == len(shown) + 3 and john.cursor() == columns - 1, "3 rows")  # noqa: B023
        john.resize(100)
        john.expect(*shown, f"John: {rows[0]}", *rows[1:], cursor=70)


def test_twenty_columns_are_enough() -> None:
    """The input line scrolls; what is said is wrapped."""
    relay = Relay()
    with serving(relay) as port, client("localhost", port, *JOHN) as john:
        john.expect("Welcome to the chatroom!", "John:")
        john.resize(20)
        john.enter("a line that is longer than twenty columns")
        relay.wait_until_heard(b"John: a line that is longer than twenty columns\n")
        john.type("and another one that is being typed")
        john.expect_line("John: s being typed")


@pytest.mark.parametrize("term", ["vt100", "vt52", "ansi", "no-such-terminal"])
def test_old_terminals_have_their_input_line_too(term: str) -> None:
    """Those that can move their cursor as a VT100 does, at least."""
    relay = Relay()
    with serving(relay) as port, client("localhost", port, *JOHN, term=term) as john:
        john.expect("Welcome to the chatroom!", "John:")
        john.type("Hey ")
        relay.say(b"Ann: Hi\n")
        john.expect("Welcome to the chatroom!", "Ann: Hi", "John: Hey")
        john.enter("you")
        relay.wait_until_heard(b"John: Hey you\n")


@pytest.mark.parametrize("locale", ["C", "POSIX", "no_SUCH.ISO-8859-1"])
@pytest.mark.parametrize("mode", [[], ["--plain"]])
def test_without_a_utf_8_locale_nothing_breaks(locale: str, mode: list[str]) -> None:
    """Python takes such terminals for UTF-8, as they nearly always are."""
    relay = Relay()
    with serving(relay) as port, client("localhost", port, *JOHN, *mode, LC_ALL=locale, LANG=locale) as john:
        relay.wait_for_members(1)
        relay.say("Zoë: grüß dich\n".encode())
        john.expect_line("Zoë: grüß dich")
        john.enter("Grüße")
        relay.wait_until_heard("John: Grüße\n".encode())


@pytest.mark.parametrize("mode", [[], ["--plain"]])
def test_what_a_terminal_cannot_show_is_a_question_mark(mode: list[str]) -> None:
    """One whose encoding is not UTF-8."""
    relay = Relay()
    with serving(relay) as port, client("localhost", port, *JOHN, *mode, PYTHONIOENCODING="ascii") as john:
        relay.wait_for_members(1)
        relay.say("Zoë: hi\n".encode())
        john.expect_line("Zo?: hi")


# threadchat itself.


def test_the_name_is_ours_before_the_first_line(chat: Running) -> None:
    """Others see nobody else, and can write to us at once."""
    alice = chat.person("alice")
    with client("localhost", chat.port, *JOHN) as john:
        john.expect_line("John:")
        heard = alice.waits_for("* John joined")
        alice.says("/msg John psst")
        heard += alice.waits_for("[to John] psst")
        john.expect_line("[from alice] psst")
        john.enter("Hi: there")
        heard += alice.waits_for("John: Hi: there")
        assert heard == []
        john.enter("exit")
        alice.waits_for("* John left")


def test_a_taken_name_is_told_first_and_the_prompt_is_honest(chat: Running) -> None:
    """What is said then is said, and shown, under the name that one has; /nick mends it."""
    alice = chat.person("alice")
    with client("localhost", chat.port, "--name", "Alice") as user:
        user.expect_line("* The name Alice is taken.")
        user.expect_line("guest-2:")
        user.enter("Hi")
        alice.waits_for("guest-2: Hi")
        user.expect_line("guest-2: Hi")
        user.enter("/nick Ｊohn")
        user.expect_line("John:")
        user.enter("Hi")
        alice.waits_for("John: Hi")


def test_where_the_listener_asks_for_the_name_it_gets_it(serve: Serve, tmp_path: Path) -> None:
    """With --name-first too."""
    config = tmp_path / "threadchat.toml"
    config.write_text('[tcp.servers.lobby]\naddr = "tcp://127.0.0.1:0"\napp = "chat"\nask_name = true\n')
    asking = serve("--config", str(config))
    for options in ([], ["--name-first"]):
        with client("localhost", asking.port, *JOHN, *options) as john:
            john.expect_line("* You are now John")
            john.enter("/who")
            john.expect_line("* 1 in lobby: John")
            john.enter("/quit")
            assert john.exit_code() == 0
        until(lambda: len(asking.events("connection_closed")) == 1 + bool(options), "John to have left")  # noqa: B023


def test_tab_knows_who_was_there_before(chat: Running) -> None:
    """From the greeting, without a word from them."""
    chat.person("Zebedee")
    with client("localhost", chat.port, *JOHN) as john:
        john.expect_line("John:")
        john.type("/ms\t\t")
        john.expect_line("John: /msg Zebedee")
