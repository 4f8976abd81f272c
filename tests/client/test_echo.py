from __future__ import annotations

import os

import pytest

from tests.client.servers import Behaviour, Relay, echo, sends, sends_and_closes, serving
from threadchat.base.addresses import TcpAddress
from threadchat.client import echo as echo_client
from threadchat.client.client import ChatClient, connect
from threadchat.client.ending import LEFT, Ending, ExitCode
from threadchat.client.keyboard import Keyboard
from threadchat.client.plain import Output


def talk(server: Behaviour, typed: bytes) -> tuple[Ending, str]:
    """Pipe *typed* through the echo client to *server*; return how it ended and what it showed."""
    (keys, cable), (seen, screen) = os.pipe(), os.pipe()
    try:
        os.write(cable, typed)
        os.close(cable)
        with (
            serving(server) as port,
            Keyboard(keys) as keyboard,
            ChatClient(connect(TcpAddress("127.0.0.1", port))) as client,
        ):
            ending = echo_client.run(client, keyboard, Output(screen))
        return ending, os.read(seen, 10_000).decode()
    finally:
        for descriptor in (keys, seen, screen):
            os.close(descriptor)


@pytest.mark.parametrize("farewell", ["quit", "exit"])
def test_each_line_is_answered_until_the_farewell(farewell: str) -> None:
    assert talk(echo, f"one\ntwo\n{farewell}\nthree\n".encode()) == (
        LEFT,
        "send: recv: one\nsend: recv: two\nsend: ",
    )


def test_a_blank_line_is_not_sent() -> None:
    assert talk(echo, b"\n  \nHi\nquit\n") == (LEFT, "send: send: send: recv: Hi\nsend: ")


def test_a_server_that_answers_with_something_else_is_no_echo_server_and_told_once() -> None:
    ending, shown = talk(sends(b"Welcome!\nSay something.\n"), b"Hi\nHi again\nquit\n")

    assert ending == LEFT
    assert shown == (
        "send: recv: Welcome!\nrecv: Say something.\n(that is not what was sent: this may be no echo server)\n"
        "send: (no answer in 0.5 seconds)\nsend: "
    )


def test_a_line_comes_back_without_the_blanks_at_its_end() -> None:
    assert talk(echo, b"  Hi  \nquit\n") == (LEFT, "send: recv:   Hi\nsend: ")


def test_a_server_without_an_answer_does_not_hold_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(echo_client, "ANSWER_SECONDS", 0.01)

    assert talk(Relay(b""), b"Hi\nquit\n") == (LEFT, "send: (no answer in 0.01 seconds)\nsend: ")


def test_a_server_that_goes_ends_it() -> None:
    ending, shown = talk(sends_and_closes(b""), b"Hi\n" * 1000)

    assert ending.code is ExitCode.SERVER_GONE
    assert "no answer" not in shown
