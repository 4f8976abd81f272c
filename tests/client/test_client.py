from __future__ import annotations

import re
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.client.servers import closed_port, echo, serving
from tests.waiting import until
from threadchat.base.addresses import Address, TcpAddress, UnixAddress
from threadchat.base.errors import ConnectError
from threadchat.client.client import ChatClient, connect


class Pair:
    """A client, and the server's end of its connection."""

    def __init__(self) -> None:
        sock, self.server = socket.socketpair()
        self.client = ChatClient(sock)
        self.lines: list[str] = []
        self.calls: list[str] = []

    def start(self) -> None:
        """Begin to read."""
        self.client.start(self.lines.extend, lambda: self.calls.append(threading.current_thread().name))

    def wait_for(self, *lines: str) -> None:
        """Return when the client has shown exactly *lines*."""
        until(lambda: self.lines == list(lines), f"{lines} to be shown, not {self.lines}")


def fill(client: ChatClient) -> None:
    """Send until nothing more goes out."""
    while True:
        client.send_line("x" * 100_000)


@pytest.fixture
def pair() -> Iterator[Pair]:
    pair = Pair()
    with pair.client, pair.server:
        yield pair


def test_lines_are_handed_over_also_those_from_before_the_start(pair: Pair) -> None:
    pair.server.sendall(b"Welcome!\n")
    pair.start()
    pair.wait_for("Welcome!")
    pair.server.sendall(b"one\ntwo\nthr")
    pair.wait_for("Welcome!", "one", "two", "thr")


def test_the_first_lines_can_be_read_before_the_start(pair: Pair) -> None:
    pair.server.sendall(b"Welcome!\n* You are ")
    heard = pair.client.read_lines(30)
    pair.server.sendall(b"guest-1\n")
    heard += pair.client.read_lines(30)
    pair.server.sendall(b"one\n")
    pair.start()
    pair.wait_for("one")

    assert heard == ["Welcome!", "* You are guest-1"]


def test_reading_the_first_lines_ends_with_the_time_or_with_the_server(pair: Pair) -> None:
    assert pair.client.read_lines(0.01) == []
    pair.server.sendall(b"Bye")
    pair.server.close()

    assert pair.client.read_lines(30) == ["Bye"]
    assert pair.client.read_lines(30) == []
    pair.start()
    until(lambda: pair.calls, "the call")
    assert pair.client.reason == "the server closed the connection"


def test_lines_that_two_threads_send_stay_whole(pair: Pair) -> None:
    text = "x" * 1_000_000
    threads = [threading.Thread(target=pair.client.send_line, args=(text,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    received = b""
    while received.count(b"\n") < 3:
        received += pair.server.recv(1 << 20)
    for thread in threads:
        thread.join()

    assert received == (text.encode() + b"\n") * 3


def test_an_unfinished_line_waits_for_its_rest_a_moment(pair: Pair) -> None:
    pair.start()
    pair.server.sendall(b"Jo")
    pair.server.sendall(b"hn: Hi\n")
    pair.wait_for("John: Hi")


def test_a_line_is_sent_with_its_end(pair: Pair) -> None:
    pair.client.send_line("John: Grüße")

    assert pair.server.recv(100) == "John: Grüße\n".encode()


def test_the_servers_end_is_told_once_on_the_reader_thread_after_its_last_words(pair: Pair) -> None:
    pair.start()
    pair.server.sendall(b"Bye")
    pair.server.close()
    until(lambda: pair.calls, "the call")

    assert pair.calls == ["client-reader"]
    assert pair.lines == ["Bye"]
    assert pair.client.closed.is_set()
    assert pair.client.reason == "the server closed the connection"


def test_a_reset_connection_is_told_as_lost() -> None:
    reset = threading.Event()

    def behaviour(connection: socket.socket) -> None:
        reset.wait()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    with serving(behaviour) as port, ChatClient(connect(TcpAddress("127.0.0.1", port))) as client:
        client.start(lambda _: None, lambda: None)
        reset.set()
        assert client.closed.wait(10)
        assert client.reason == "connection lost: Connection reset by peer"


def test_close_stops_a_reader_that_waits(pair: Pair) -> None:
    pair.start()
    pair.client.close()

    assert "client-reader" not in [thread.name for thread in threading.enumerate()]
    assert pair.server.recv(1) == b""


def test_after_half_close_the_answer_still_comes() -> None:
    lines: list[str] = []
    with serving(echo) as port, ChatClient(connect(TcpAddress("127.0.0.1", port))) as client:
        client.start(lines.extend, lambda: None)
        client.send_line("last words")
        client.half_close()
        client.wait_until_quiet(quiet_seconds=30, limit_seconds=30)  # the server's close ends it at once

        assert client.closed.is_set()
    assert lines == ["last words"]


def test_waiting_for_quiet_ends_by_silence_or_at_the_limit(pair: Pair) -> None:
    pair.start()
    pair.client.wait_until_quiet(quiet_seconds=0.01, limit_seconds=30)
    pair.client.wait_until_quiet(quiet_seconds=30, limit_seconds=0.01)

    assert not pair.client.closed.is_set()


def test_waiting_until_taken_lasts_as_long_as_the_server_does_not_read(pair: Pair) -> None:
    pair.client.limit_send(0.05)
    with pytest.raises(BlockingIOError):
        fill(pair.client)
    taken = threading.Event()

    def wait() -> None:
        pair.client.wait_until_taken()
        taken.set()

    waiter = threading.Thread(target=wait)
    waiter.start()
    assert not taken.wait(0.1)
    pair.client.half_close()
    while pair.server.recv(1 << 20):
        pass
    assert taken.wait(30)
    waiter.join()


def test_sending_can_be_limited_without_limiting_reading(pair: Pair) -> None:
    pair.client.limit_send(0.05)
    pair.start()
    with pytest.raises(BlockingIOError):
        fill(pair.client)
    pair.server.sendall(b"still here\n")
    pair.wait_for("still here")


def test_unix_sockets_are_reached_by_their_path(tmp_path: Path) -> None:
    path = tmp_path / "chat"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        with ChatClient(connect(UnixAddress(str(path)))) as client, listener.accept()[0] as server:
            client.send_line("Hi")

            assert server.recv(100) == b"Hi\n"


@pytest.mark.parametrize(
    ("address", "complaint"),
    [
        (TcpAddress("127.0.0.1", closed_port()), r"cannot connect to 127.0.0.1 port \d+: Connection refused"),
        (TcpAddress("no-such-host.invalid", 1), r"cannot connect to no-such-host.invalid port 1: .+"),
        (UnixAddress("/no/such/socket"), r"cannot connect to /no/such/socket: No such file or directory"),
        (TcpAddress("a..b", 1), r"cannot connect to a..b port 1: that is not a host name"),
    ],
)
def test_a_server_that_cannot_be_reached_is_named_with_the_reason(address: Address, complaint: str) -> None:
    with pytest.raises(ConnectError) as error:
        connect(address)

    assert re.fullmatch(complaint, str(error.value))
