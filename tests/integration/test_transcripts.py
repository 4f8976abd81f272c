"""The source documents' transcripts, with the real telnet and nc."""

from __future__ import annotations

import subprocess

import pexpect
import pytest

from tests import debian
from tests.conftest import Serve
from tests.running import Running
from tests.terminal import client, terminal
from tests.waiting import DEADLINE


def test_the_challenges_telnet_session_with_the_echo_server(serve: Serve) -> None:
    """Step 1: what is typed comes back; ^] and quit end it."""
    telnet = debian.require("telnet")
    echo = serve("--app", "echo")
    with terminal(telnet, "localhost", str(echo.port)) as session:
        session.expect_exact("Connected to localhost.\r\n")
        session.expect_exact("Escape character is '^]'.\r\n")
        session.sendline("Hello Coding Challenges!")
        session.expect_exact("Hello Coding Challenges!\r\n")  # the terminal's own echo
        session.expect_exact("Hello Coding Challenges!\r\n")  # the server's
        session.send("\x1d")
        session.expect_exact("telnet> ")
        session.sendline("quit")
        session.expect_exact("Connection closed.")
        session.expect(pexpect.EOF)


def test_two_people_talk_with_telnet(chat: Running) -> None:
    """The room as a person at a terminal sees it."""
    telnet = debian.require("telnet")
    with (
        terminal(telnet, "localhost", str(chat.port)) as alice,
        terminal(telnet, "localhost", str(chat.port)) as bob,
    ):
        for session, name in ((alice, "alice"), (bob, "bob")):
            session.expect_exact("Welcome to the chatroom!\r\n")
            session.expect(r"\* You are guest-\d, ")
            session.sendline(f"/nick {name}")
            session.expect_exact(f"* You are now {name}\r\n")
        bob.sendline("hi, é")
        alice.expect_exact("bob: hi, é\r\n")
        # Ctrl-C in telnet: it holds everything back until the server answers its timing mark.
        alice.send("\x03")
        bob.sendline("still there?")
        alice.expect_exact("bob: still there?\r\n")
        alice.sendline("yes")
        bob.expect_exact("alice: yes\r\n")
        bob.sendline("/quit")
        bob.expect_exact("Connection closed by foreign host.")
        alice.expect_exact("* bob left\r\n")


def test_the_blocking_servers_second_client_is_answered_when_the_first_has_left(serve: Serve) -> None:
    """The echo tutorial: one client at a time; the second one's line is not lost."""
    nc = debian.require("nc")
    echo = serve("--app", "echo", "--max-connections", "1", "--when-full", "wait")
    with terminal(nc, "localhost", str(echo.port)) as first:
        first.sendline("one")
        first.expect_exact("one\r\none\r\n")
        with terminal(nc, "localhost", str(echo.port)) as second:
            second.sendline("two")
            second.expect_exact("two\r\n")
            first.sendline("still me")
            first.expect_exact("still me\r\nstill me\r\n")
            assert len(echo.events("connection_opened")) == 1
            first.interrupt()
            second.expect_exact("two\r\n")


def test_many_echo_clients_at_once_with_nc(serve: Serve) -> None:
    """The tutorial's next part: nobody waits for anybody."""
    nc = debian.require("nc")
    echo = serve("--app", "echo")
    with terminal(nc, "localhost", str(echo.port)) as first, terminal(nc, "localhost", str(echo.port)) as second:
        for session, text in ((second, "two"), (first, "one"), (second, "three")):
            session.sendline(text)
            session.expect_exact(f"{text}\r\n{text}\r\n")


@pytest.mark.parametrize("app", ["echo", "broadcast"])
def test_a_half_closed_nc_gets_all_its_bytes(serve: Serve, app: str) -> None:
    """``printf … | nc -N``: everything comes back, then the end."""
    nc = debian.require("nc")
    server = serve("--app", app)
    text = b"no line end, \x00\xff\r\n any bytes" * 1000
    result = subprocess.run(
        [nc, "-N", "127.0.0.1", str(server.port)], input=text, capture_output=True, timeout=DEADLINE, check=True
    )
    assert result.stdout == text


def test_the_challenges_echo_client(serve: Serve) -> None:
    """Step 2: what is sent is received; quit ends it."""
    echo = serve("--app", "echo")
    with client(echo.port, "--echo") as session:
        session.expect_exact("send: ")
        session.sendline("test")
        session.expect_exact("test\r\nrecv: test\r\nsend: ")
        session.sendline("quit")
        session.expect(pexpect.EOF)
        assert session.exit_code() == 0


def test_the_challenges_chat_client_with_the_echo_server(serve: Serve) -> None:
    """Step 3: the line shows twice, once as the client says it and once as the network does."""
    echo = serve("--app", "echo")
    with client(echo.port, "--plain") as session:
        session.expect_exact("name: ")
        session.sendline("John")
        session.sendline("Hi")
        session.expect_exact("Hi\r\nJohn: Hi\r\nJohn: Hi\r\n")
        session.sendline("exit")
        session.expect(pexpect.EOF)
        assert str(session.before).strip() == "exit"


def test_the_challenges_conversation(chat: Running) -> None:
    """Step 4: two clients and the chat room, line by line as printed there (the server's * lines aside)."""
    with client(chat.port, "--plain") as john, client(chat.port, "--plain") as other:
        for session, name in ((john, "John"), (other, "OtherJohn")):
            session.expect_exact("name: ")
            session.sendline(name)
            session.expect_exact("Welcome to the chatroom!\r\n")
        shown = ""
        for speaker, name, text in (
            (other, "OtherJohn", "Hi!"),
            (john, "John", "Hey John!"),
            (john, "John", "How's things? What are you doing?"),
            (other, "OtherJohn", "Writing a Coding Challenge!"),
            (john, "John", "Same!"),
        ):
            speaker.sendline(text)
            for session in (john, other):
                session.expect_exact(f"{name}: {text}\r\n")
                if session is john:
                    shown += f"{session.before}{session.after}"
        john.sendline("exit")
        john.expect(pexpect.EOF)
        shown += str(john.before)
    lines = [line for line in shown.replace("\r", "").splitlines() if line and not line.startswith("* ")]
    assert lines == [
        "OtherJohn: Hi!",
        "Hey John!",
        "John: Hey John!",
        "How's things? What are you doing?",
        "John: How's things? What are you doing?",
        "OtherJohn: Writing a Coding Challenge!",
        "Same!",
        "John: Same!",
        "exit",
    ]
