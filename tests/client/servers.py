"""
Chat servers as other people write them, for the client to meet. Each runs in this process, on a free port.

None of them is threadchat: the client has to get on with anybody's.
"""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.waiting import until

#: What one connection's thread does with its socket.
Behaviour = Callable[[socket.socket], None]


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, behaviour: Behaviour, host: str) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.behaviour = behaviour
        self.connections: set[socket.socket] = set()
        super().__init__((host, 0), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore it: clients of tests leave as they like."""


class _Handler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, _Server)
        self.server.connections.add(self.request)
        try:
            self.server.behaviour(self.request)
        finally:
            self.server.connections.discard(self.request)


@contextmanager
def serving(behaviour: Behaviour, host: str = "127.0.0.1") -> Iterator[int]:
    """Serve *behaviour* to every connection; yields the port."""
    before = set(threading.enumerate())
    with _Server(behaviour, host) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), name="test-server")
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
            for connection in list(server.connections):
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue
    until(lambda: set(threading.enumerate()) <= before, "the test server's threads to end")


def echo(connection: socket.socket) -> None:
    """Send everything back (RFC 862)."""
    while data := connection.recv(65536):
        connection.sendall(data)


class Relay:
    """The challenge's step 4: a greeting, and every chunk to everybody but its sender."""

    def __init__(self, greeting: bytes = b"Welcome to the chatroom!\n", echo_sender: bool = False) -> None:
        self._greeting = greeting
        self._echo_sender = echo_sender
        self._lock = threading.Lock()
        self._members: list[socket.socket] = []
        #: Each read, as it came.
        self.heard: list[bytes] = []

    def __call__(self, connection: socket.socket) -> None:
        """Serve one connection."""
        connection.sendall(self._greeting)
        with self._lock:
            self._members.append(connection)
        try:
            while data := connection.recv(65536):
                with self._lock:
                    self.heard.append(data)
                    others = [m for m in self._members if m is not connection or self._echo_sender]
                for member in others:
                    member.sendall(data)
        finally:
            with self._lock:
                self._members.remove(connection)

    def say(self, data: bytes) -> None:
        """Send *data* to everybody."""
        with self._lock:
            members = list(self._members)
        for member in members:
            member.sendall(data)

    def wait_for_members(self, count: int) -> None:
        """Return when *count* are connected."""
        until(lambda: len(self._members) == count, f"{count} members")

    def wait_until_heard(self, data: bytes) -> None:
        """Return when *data* has come, in however many reads."""
        until(lambda: data in b"".join(self.heard), f"{data!r} to be heard")


def sends(*pieces: bytes) -> Behaviour:
    """Return the behaviour of a server that sends *pieces*, then listens until the client leaves."""

    def behaviour(connection: socket.socket) -> None:
        for piece in pieces:
            connection.sendall(piece)
        while connection.recv(65536):
            pass

    return behaviour


def sends_and_closes(data: bytes) -> Behaviour:
    """Return the behaviour of a server that sends *data* and closes without a word."""

    def behaviour(connection: socket.socket) -> None:
        connection.sendall(data)

    return behaviour


def closed_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
