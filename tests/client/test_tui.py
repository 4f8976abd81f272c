from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output import DummyOutput

from tests.client.servers import Behaviour, sends, serving
from threadchat.base.addresses import TcpAddress
from threadchat.client import tui
from threadchat.client.client import ChatClient, connect
from threadchat.client.ending import LEFT, ExitCode
from threadchat.client.speaker import Speaker


@contextmanager
def terminal() -> Iterator[PipeInput]:
    """The keyboard of a terminal that shows nothing."""
    with create_pipe_input() as keys, create_app_session(input=keys, output=DummyOutput()):
        yield keys


@contextmanager
def at_a_terminal(server: Behaviour) -> Iterator[tuple[ChatClient, PipeInput]]:
    """A client connected to *server*, and such a keyboard."""
    with serving(server) as port, ChatClient(connect(TcpAddress("127.0.0.1", port))) as client, terminal() as keys:
        yield client, keys


def test_leaving_in_the_middle_of_a_flood_waits_for_nothing() -> None:
    """The reader is not left waiting for a screen that has gone: the leak fixture would tell."""
    more = threading.Event()

    def flood(connection: socket.socket) -> None:
        more.set()
        while True:
            connection.sendall(b"Ann: hello\n" * 1000)

    with at_a_terminal(flood) as (client, keys):
        more.wait()
        keys.send_text("Hi\rexit\r")

        assert tui.run(client, Speaker("John")) == LEFT


def test_a_server_that_does_not_read_cannot_freeze_the_input_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once nothing more fits on the way, the client waits a little, then says so and ends."""
    monkeypatch.setattr(tui, "_SEND_SECONDS", 0.05)
    sock, server = socket.socketpair()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    with server, ChatClient(sock) as client, terminal() as keys:
        keys.send_text(("x" * 500 + "\r") * 50)
        ending = tui.run(client, Speaker("John"))

    assert ending.code is ExitCode.SERVER_GONE
    assert ending.message == "the server has read nothing for 0.05 seconds"


def test_the_name_changes_in_what_is_said_next() -> None:
    """A /nick goes out as it is."""
    with at_a_terminal(sends(b"Welcome!\n")) as (client, keys):
        keys.send_text("/nick Jack\rexit\r")
        speaker = Speaker("John")
        tui.run(client, speaker)

        assert speaker.name == "Jack"
