"""A listener in this process, on port 0: its limits, its refusals, its end."""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
import time
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

import pytest

from tests.fakes import FakeClock, recording_log
from tests.net.sockets import running_flusher
from tests.waiting import DEADLINE, until
from threadchat.apps.echo import EchoApp
from threadchat.base import limits as limits_module
from threadchat.base.addresses import TcpAddress
from threadchat.base.limits import AddressCounter, AddressPacer
from threadchat.config.sections import Limits
from threadchat.net import server as server_module
from threadchat.net.connection import Connection
from threadchat.net.connection_set import ConnectionSet
from threadchat.net.flusher import Flusher
from threadchat.net.handler import App
from threadchat.net.listen import listen
from threadchat.net.server import AppServer


class PromptServer(AppServer):
    """Looks often whether it shall stop, so that many tests do not wait for that."""

    def serve_forever(self, poll_interval: float = 0.01) -> None:
        """Accept until stopped."""
        super().serve_forever(poll_interval)


class Running:
    """An echo server, and the clients that connect to it."""

    def __init__(
        self, flusher: Flusher, limits: Limits, listener: socket.socket, make_app: Callable[[Connection], App]
    ) -> None:
        self.log: list[MutableMapping[str, Any]]
        log, self.log = recording_log()
        self.connections = ConnectionSet(limits.max_connections)
        self.addresses = AddressCounter(limits.max_connections_per_address)
        self.clock = FakeClock()
        self.pacer = AddressPacer(limits.connections_per_minute_per_address, self.clock)
        self.server = PromptServer(
            "echo", listener, limits, self.connections, self.addresses, make_app, flusher, log, pacer=self.pacer
        )
        self.where = listener.getsockname()

    def client(self, first: bytes = b"") -> socket.socket:
        """Return a client that has connected, and sent *first* at once."""
        client = socket.create_connection(self.where, timeout=DEADLINE)
        client.sendall(first)
        return client

    def events(self, name: str) -> list[MutableMapping[str, Any]]:
        """Return what was logged under *name*."""
        return [entry for entry in self.log if entry["event"] == name]


@contextlib.contextmanager
def running(
    limits: Limits | None = None,
    listener: socket.socket | None = None,
    make_app: Callable[[Connection], App] = EchoApp,
) -> Iterator[Running]:
    """Run an echo server."""
    with running_flusher() as flusher:
        running = Running(flusher, limits or Limits(), listener or listen(TcpAddress("127.0.0.1", 0)), make_app)
        running.server.start()
        try:
            yield running
        finally:
            running.server.stop()
            running.connections.drain(time.monotonic() + DEADLINE)


def echoes(client: socket.socket, data: bytes) -> bool:
    """Return whether *client*, having sent *data*, gets it back."""
    client.sendall(data)
    return reads(client, len(data)) == data


def reads(client: socket.socket, count: int) -> bytes:
    """Return *count* bytes, or fewer if the stream ends before."""
    data = b""
    while len(data) < count and (got := client.recv(count - len(data))):
        data += got
    return data


def reads_all(client: socket.socket) -> bytes:
    """Return all until the stream ends, properly."""
    return reads(client, 1 << 20)


def test_every_connection_is_served() -> None:
    """All at once, each by a thread with a name that says which."""
    with running() as echo, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(echo.client()) for _ in range(5)]
        for number, client in enumerate(clients):
            assert echoes(client, b"hello %d" % number)
        names = {thread.name for thread in threading.enumerate()}
        assert {f"conn-echo-{number}" for number in range(1, 6)} <= names
        assert "accept-echo" in names


def test_the_real_address_is_logged_when_it_accepts() -> None:
    """Port 0 picked one."""
    with running() as echo:
        (listening,) = echo.events("listening")
        assert listening["address"] == f"tcp://127.0.0.1:{echo.where[1]}"
        assert listening["server"] == "echo"


def test_each_connection_is_logged_from_beginning_to_end() -> None:
    """With its number, its peer and its server."""
    with running() as echo:
        with echo.client() as client:
            assert echoes(client, b"hello")
            peer = "{}:{}".format(*client.getsockname())
        until(lambda: echo.events("connection_closed"), "the end to be logged")
        (closed,) = echo.events("connection_closed")
        assert (closed["server"], closed["connection"], closed["peer"]) == ("echo", 1, peer)
        assert (closed["bytes_in"], closed["bytes_out"]) == (5, 5)


class TestFull:
    """More connections than there are places."""

    def test_one_too_many_is_refused_with_one_clear_line(self) -> None:
        """Which arrives even if the client talks first; those inside notice nothing."""
        with running(Limits(max_connections=1)) as echo, echo.client() as inside:
            assert echoes(inside, b"first")
            for first in (b"", b"hello, may I come in?\n" * 50):
                with echo.client(first) as refused:
                    assert reads_all(refused) == b"* The server is full (connections: 1). Please try later.\n"
            assert echoes(inside, b"second")
            assert len(echo.events("connection_refused")) == 2

    def test_a_place_that_is_left_is_there_for_the_next(self) -> None:
        """After a refusal, too."""
        with running(Limits(max_connections=1)) as echo:
            for _ in range(3):
                with echo.client() as client:
                    assert echoes(client, b"hello")
                until(lambda: len(echo.connections) == 0, "the place to be free")

    def test_many_refused_do_not_pile_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Beyond a number they are closed at once."""
        monkeypatch.setattr(server_module, "_MAX_REFUSED", 3)
        with running(Limits(max_connections=1)) as echo, echo.client() as inside, contextlib.ExitStack() as stack:
            assert echoes(inside, b"first")
            refused = [stack.enter_context(echo.client()) for _ in range(10)]
            assert all(reads_all(client).startswith(b"* The server is full") for client in refused)
            assert echo.server._refused == 3

    def test_when_full_the_next_waits(self) -> None:
        """Its first line is answered as soon as there is a place, and nothing of it is lost."""
        with running(Limits(max_connections=1, when_full="wait")) as echo:
            first, second = echo.client(), echo.client(b"patient")
            assert echoes(first, b"first")
            first.close()
            assert reads(second, 7) == b"patient"
            assert echoes(second, b" indeed")
            second.close()
            assert echo.events("connection_refused") == []

    def test_a_full_house_can_be_stopped(self) -> None:
        """Though the accepting thread waits for a place."""
        with running(Limits(max_connections=1, when_full="wait")) as echo, echo.client() as inside:
            assert echoes(inside, b"hello")
            with echo.client(b"waiting"):
                inside.shutdown(socket.SHUT_WR)
                assert reads_all(inside) == b""


def test_one_address_may_have_its_number_only() -> None:
    """The next one from there is told; a place is not lost by it."""
    with running(Limits(max_connections=2, max_connections_per_address=1)) as echo:
        echo.addresses.acquire = lambda address: not echo.connections.snapshot()  # type: ignore[method-assign]
        echo.addresses.release = lambda address: None  # type: ignore[method-assign]
        with echo.client() as first:
            assert echoes(first, b"hello")
            for _ in range(3):
                with echo.client(b"me too") as second:
                    assert reads_all(second) == (
                        b"* There are 1 connections from your address already. Please close one.\n"
                    )
        until(lambda: len(echo.connections) == 0, "the place to be free")
        with echo.client() as third:
            assert echoes(third, b"hello")


def test_loopback_is_never_limited_by_address() -> None:
    """A proxy, or a terminal next to another."""
    with running(Limits(max_connections_per_address=1)) as echo, contextlib.ExitStack() as stack:
        for _ in range(3):
            assert echoes(stack.enter_context(echo.client()), b"hello")


class TestPace:
    """Connections that come too fast from one address; here, loopback is taken for one."""

    @pytest.fixture(autouse=True)
    def loopback_counts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Count the clients of these tests, who all come from there."""
        monkeypatch.setattr(limits_module, "network_of", lambda address, prefix: address)

    def test_they_wait_and_others_do_not(self) -> None:
        """In threads of their own; what they send meanwhile is not lost."""
        with running(Limits(connections_per_minute_per_address=2)) as echo, contextlib.ExitStack() as stack:
            echo.pacer.MAX_WAIT_SECONDS = 1000.0
            for _ in range(2):
                assert echoes(stack.enter_context(echo.client()), b"hello")
            waiting = stack.enter_context(echo.client(b"slow"))
            until(lambda: echo.events("connection_slowed"), "the third to wait")
            assert echo.events("connection_slowed")[0]["seconds"] == 30.0
            echo.clock.advance(60.0)
            assert echoes(stack.enter_context(echo.client()), b"hello")
            waiting.setblocking(False)
            with pytest.raises(BlockingIOError):
                waiting.recv(1)

    def test_who_has_waited_is_served(self) -> None:
        """With all that they have said."""
        with running(Limits(connections_per_minute_per_address=120)) as echo, contextlib.ExitStack() as stack:
            clients = [stack.enter_context(echo.client(b"%03d" % number)) for number in range(121)]
            assert [reads(client, 3) for client in clients] == [b"%03d" % number for number in range(121)]
            assert [event["seconds"] for event in echo.events("connection_slowed")] == [0.5]

    def test_far_too_many_are_told_and_take_no_place(self) -> None:
        """One line; later they come in."""
        with running(Limits(max_connections=10, connections_per_minute_per_address=1)) as echo:
            with echo.client() as client:
                assert echoes(client, b"hello")
            for _ in range(3):
                with echo.client(b"me too") as client:
                    assert reads_all(client) == (
                        b"* Too many connections have come from your address. Please wait a minute.\n"
                    )
            until(lambda: len(echo.connections) == 0, "the place to be free")
            assert len(echo.addresses._counts) == 0
            echo.clock.advance(60.0)
            with echo.client() as client:
                assert echoes(client, b"hello")

    def test_a_stop_does_not_wait_for_them(self) -> None:
        """They are served their goodbye."""
        with running(Limits(connections_per_minute_per_address=1)) as echo, contextlib.ExitStack() as stack:
            echo.pacer.MAX_WAIT_SECONDS = 1000.0
            stack.enter_context(echo.client())
            waiting = stack.enter_context(echo.client())
            until(lambda: echo.events("connection_slowed"), "the second to wait")
            echo.server.pause()
            echo.connections.drain(time.monotonic() + DEADLINE)
            assert reads_all(waiting) == b""


def test_new_limits_are_those_of_whoever_comes_then() -> None:
    """The kernel's part of them, too."""
    with running() as echo:
        echo.server.limits = Limits.model_validate({"keepalive_time": "7s"})
        assert echo.server.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 7


class Starved(socket.socket):
    """A listening socket that finds no free descriptor for the first few times it accepts."""

    failures = 3
    accepts = 0

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept, or fail."""
        self.accepts += 1
        if self.accepts <= self.failures:
            raise OSError(errno.EMFILE, "Too many open files")
        return super().accept()


@pytest.mark.parametrize("when_full", ["refuse", "wait"])
def test_out_of_descriptors_the_listener_backs_off(monkeypatch: pytest.MonkeyPatch, when_full: Any) -> None:
    """It pauses after each failure, says so once, recovers, says so, and loses neither client nor place."""
    pauses: list[float] = []

    class Time:
        sleep = pauses.append

    monkeypatch.setattr(server_module, "time", Time)
    starved = Starved(fileno=listen(TcpAddress("127.0.0.1", 0)).detach())
    starved.setblocking(False)
    with running(Limits(max_connections=1, when_full=when_full), starved) as echo:
        with echo.client() as client:
            assert echoes(client, b"patient")
        assert len(pauses) == Starved.failures
        assert min(pauses) > 0
        assert len(echo.events("accept_backing_off")) == 1
        assert len(echo.events("accept_recovered")) == 1


def test_out_of_threads_a_client_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets a line, its place is free again, and the next one is served."""

    class NoThread:
        def __init__(self, **_: object) -> None:
            """Like a thread."""

        def start(self) -> None:
            raise RuntimeError("can't start new thread")

    with running(Limits(max_connections=1)) as echo:
        with monkeypatch.context() as patch:
            patch.setattr(threading, "Thread", NoThread)
            with echo.client() as client:
                assert reads_all(client) == b"* The server has no thread left for you. Please try later.\n"
        until(lambda: len(echo.connections) == 0, "the place to be free")
        with echo.client() as client:
            assert echoes(client, b"hello")


def test_clients_that_come_and_go_leave_nothing_behind() -> None:
    """Whatever way they go; the leak fixture looks for threads and descriptors."""
    with running() as echo:
        for number in range(60):
            client = echo.client(b"hello" if number % 2 else b"")
            if number % 3 == 0:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # RST
            client.close()
        until(lambda: len(echo.events("connection_closed")) == 60, "all to be gone")
        assert len(echo.connections) == 0


def test_a_stopped_server_is_gone() -> None:
    """Nobody can connect any more; it may be stopped though it never started."""
    with running() as echo:
        pass
    with pytest.raises(ConnectionRefusedError):
        echo.client()
    with running_flusher() as flusher:
        Running(flusher, Limits(), listen(TcpAddress("127.0.0.1", 0)), EchoApp).server.stop()


def test_an_error_before_serving_is_logged_and_costs_that_connection_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """The listener goes on."""
    with running() as echo:
        with monkeypatch.context() as patch:
            patch.setattr(echo.connections, "reserve", lambda wait: 1 / 0)
            with echo.client() as client:
                assert reads_all(client) == b""
        assert len(echo.events("accept_failed")) == 1
        with echo.client() as client:
            assert echoes(client, b"hello")
