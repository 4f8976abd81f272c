from __future__ import annotations

import socket
import threading

import pytest

from tests.client.servers import Behaviour, echo, sends, sends_and_closes, serving
from threadchat.base.addresses import TcpAddress
from threadchat.client import introduction
from threadchat.client.client import ChatClient, connect
from threadchat.client.introduction import introduce
from threadchat.client.speaker import Speaker

GREETING = b"Welcome to the chatroom!\n* You are guest-1, alone in lobby. Type /help for help.\n"


def introduced(server: Behaviour) -> tuple[Speaker, list[str]]:
    """Introduce John to *server*; return him, and what it has said."""
    speaker = Speaker("John")
    with serving(server) as port, ChatClient(connect(TcpAddress("127.0.0.1", port))) as client:
        return speaker, introduce(client, speaker)


def threadchat(*answers: bytes, greeting: bytes = GREETING) -> Behaviour:
    """Return the behaviour of a server that greets, and gives *answers* to the first line that comes."""

    def behaviour(connection: socket.socket) -> None:
        connection.sendall(greeting)
        assert connection.recv(100) == b"/nick John\n"
        for answer in answers:
            connection.sendall(answer)
        connection.recv(100)

    return behaviour


def test_threadchat_is_asked_for_the_name_as_soon_as_it_greets() -> None:
    speaker, lines = introduced(threadchat(b"* Ann joined\n", b"* You are now John\n"))

    assert (speaker.name, speaker.refusal) == ("John", "")
    assert lines == [*GREETING.decode().splitlines(), "* Ann joined", "* You are now John"]


def test_a_refused_name_is_known_before_anything_is_said() -> None:
    speaker, lines = introduced(threadchat(b"* The name John is taken.\n"))

    assert (speaker.name, speaker.refusal) == ("guest-1", "The name John is taken.")
    assert lines[-1] == "* The name John is taken."


def test_a_listener_that_asks_for_names_is_answered_likewise() -> None:
    asking = GREETING + b"* What is your name?\n"
    speaker, lines = introduced(threadchat(b"* You are now John\n", greeting=asking))

    assert speaker.name == "John"
    assert "* What is your name?" in lines


def test_other_servers_are_not_asked_and_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(introduction, "GREETING_SECONDS", 1000.0)
    monkeypatch.setattr(introduction, "ANSWER_SECONDS", 1000.0)
    speaker, lines = introduced(sends(b"Welcome to the chatroom!\n"))

    assert (speaker.name, lines) == ("John", ["Welcome to the chatroom!"])


def test_a_silent_server_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(introduction, "GREETING_SECONDS", 0.01)

    assert introduced(echo)[1] == []


def test_a_server_that_does_not_answer_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(introduction, "ANSWER_SECONDS", 0.01)
    speaker, _ = introduced(threadchat())

    assert speaker.awaits_answer


def test_a_server_that_closes_ends_the_wait() -> None:
    assert introduced(sends_and_closes(b"* The room is full.\n"))[1] == ["* The room is full."]


def test_a_greeting_that_comes_late_is_answered_all_the_same() -> None:
    late = threading.Event()

    def behaviour(connection: socket.socket) -> None:
        connection.sendall(b"Welcome!\n")
        late.wait()
        threadchat(b"* You are now John\n", greeting=GREETING.partition(b"\n")[2])(connection)

    speaker = Speaker("John")
    with serving(behaviour) as port, ChatClient(connect(TcpAddress("127.0.0.1", port))) as client:
        introduce(client, speaker)
        late.set()
        for _ in range(2):  # the rest of the greeting, and the answer
            introduction.listen(client, speaker, client.read_lines(30))

    assert (speaker.name, speaker.awaits_answer) == ("John", False)
