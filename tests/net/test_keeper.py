"""Connections that survive the process that served them."""

from __future__ import annotations

import os
import resource
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests import debian
from threadchat.net.keeper import Keeper

#: Inherits a listener and the two ends; accepts and keeps connections, each under its client's port.
_SERVER = """
import socket, sys
from threadchat.net.keeper import Keeper

listener, *ends = map(int, sys.argv[1].split(","))
keeper, served = Keeper.adopt(ends), []
keeper.drain()
with socket.socket(fileno=listener) as listener:
    for _ in range(int(sys.argv[2])):
        connection, (_, port, *_) = listener.accept()
        served.append(connection)
        keeper.keep(port, connection)
print("all kept", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def keeper(stack: ExitStack) -> Keeper:
    keeper = Keeper.create()
    stack.callback(keeper.close)
    return keeper


@pytest.fixture
def pair(stack: ExitStack) -> Callable[[], tuple[socket.socket, socket.socket]]:
    """Make connections: the server's side and the client's."""

    def pair() -> tuple[socket.socket, socket.socket]:
        ours, theirs = socket.socketpair()
        stack.enter_context(ours)
        stack.enter_context(theirs)
        return ours, theirs

    return pair


@pytest.fixture
def many_descriptors() -> Iterator[Callable[[int], None]]:
    """Allow this process so many descriptors, or skip."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    def allow(count: int) -> None:
        if count > hard:
            debian.unavailable(f"{count} descriptors are not allowed here, {hard} are")
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count), hard))

    yield allow
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def successor(stack: ExitStack, keeper: Keeper) -> tuple[Keeper, dict[int, socket.socket]]:
    """Let *keeper*'s process die, as far as the queue can tell; return the next one's and its connections."""
    stored = [os.dup(end) for end in keeper.ends]
    keeper.close()
    adopted = Keeper.adopt(stored)
    stack.callback(adopted.close)
    drained = adopted.drain()
    for sock in drained.values():
        stack.enter_context(sock)
    return adopted, drained


def ended(sock: socket.socket) -> bool:
    """Whether the peer of *sock* has been let go of: there is nothing left but the end of the stream."""
    return bool(select.select([sock], [], [], 0)[0]) and sock.recv(1) == b""


def test_two_thousand_connections_survive_kill_9(stack: ExitStack, many_descriptors: Callable[[int], None]) -> None:
    """Each comes back under its own id, with the bytes that were typed while nobody served it."""
    many_descriptors(5000)
    keeper = Keeper.create()
    listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=2000))
    inherited = (listener.fileno(), *keeper.ends)
    server = stack.enter_context(
        subprocess.Popen(
            [sys.executable, "-c", _SERVER, ",".join(map(str, inherited)), "2000"],
            pass_fds=inherited,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
    )
    clients = {}
    for _ in range(2000):
        client = stack.enter_context(socket.create_connection(listener.getsockname(), timeout=30))
        clients[client.getsockname()[1]] = client
    assert server.stdout
    assert server.stdout.readline() == "all kept\n"
    server.send_signal(signal.SIGKILL)
    server.wait()
    for port, client in clients.items():
        client.sendall(f"typed by {port}".encode())
    _, drained = successor(stack, keeper)

    assert drained.keys() == clients.keys()
    for port, connection in drained.items():
        assert connection.recv(100) == f"typed by {port}".encode()
        connection.sendall(f"welcome back, {port}".encode())
        assert clients[port].recv(100) == f"welcome back, {port}".encode()


def test_it_can_be_taken_over_again_and_again(
    stack: ExitStack, keeper: Keeper, pair: Callable[[], tuple[socket.socket, socket.socket]]
) -> None:
    for id in range(700):  # more than the stock buffer takes unpacked
        assert keeper.keep(id, pair()[0])
    for life in range(3):
        keeper, drained = successor(stack, keeper)
        assert drained.keys() == set(range(700 + life))
        for sock in drained.values():
            sock.close()
        assert keeper.keep(700 + life, pair()[0])


def test_forgotten_connections_are_let_go_of_before_they_pile_up(
    stack: ExitStack, keeper: Keeper, pair: Callable[[], tuple[socket.socket, socket.socket]]
) -> None:
    keeper.keep(0, pair()[0])
    clients = []
    for id in range(1, 1001):
        ours, theirs = pair()
        assert keeper.keep(id, ours)
        keeper.forget(id)
        ours.close()
        clients.append(theirs)

    assert sum(not ended(client) for client in clients) <= Keeper.STALE
    assert len(successor(stack, keeper)[1]) <= 1 + Keeper.STALE


def test_a_closed_connection_ends_for_its_peer_at_once(
    keeper: Keeper, pair: Callable[[], tuple[socket.socket, socket.socket]]
) -> None:
    """As long as it is shut down: closing alone leaves the copy in the queue."""
    ours, theirs = pair()
    keeper.keep(1, ours)
    keeper.forget(1)
    ours.shutdown(socket.SHUT_RDWR)
    ours.close()

    assert ended(theirs)


def test_forgetting_the_unknown_is_harmless(keeper: Keeper) -> None:
    keeper.forget(7)


def test_what_does_not_fit_is_refused_until_something_is_forgotten(
    stack: ExitStack, pair: Callable[[], tuple[socket.socket, socket.socket]]
) -> None:
    """The smallest buffers there are hold a few packed messages; what was once kept stays so."""
    small = Keeper.create(buffer_bytes=1)
    stack.callback(small.close)
    ours, _ = pair()
    kept = [id for id in range(4000) if small.keep(id, ours)]

    assert 253 <= len(kept) < 4000
    assert not small.keep(4000, ours)
    small.forget(kept[0])
    assert small.keep(4001, ours)
    _, drained = successor(stack, small)
    assert drained.keys() >= {*kept[1:], 4001}


def test_a_predecessor_that_died_while_moving_sockets_has_lost_none(
    stack: ExitStack,
    keeper: Keeper,
    pair: Callable[[], tuple[socket.socket, socket.socket]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It died between sending to the one queue and taking from the other: everything is there twice."""
    for id in range(300):
        keeper.keep(id, pair()[0])

    def die(_keeper: Keeper, _queue: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Keeper, "_discard", die)
        with pytest.raises(KeyboardInterrupt):
            keeper._settle()
    _, drained = successor(stack, keeper)

    assert drained.keys() == set(range(300))


def test_threads_keep_and_forget_at_once(
    stack: ExitStack, keeper: Keeper, pair: Callable[[], tuple[socket.socket, socket.socket]]
) -> None:
    ours, _ = pair()

    def come_and_go(first: int) -> None:
        for id in range(first, first + 1000):
            keeper.keep(id, ours)
            if id % 10:
                keeper.forget(id)

    threads = [threading.Thread(target=come_and_go, args=(n * 1000,), name=f"conn-{n}") for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    _, drained = successor(stack, keeper)

    assert drained.keys() >= set(range(0, 4000, 10))
    assert len(drained) <= 400 + Keeper.STALE + 200


def test_the_users_limit_on_descriptors_in_flight_is_survived() -> None:
    """A user who may have 300 descriptors can have 300 in queues: the others are served, but not kept."""
    program = """
import os, resource, socket
from threadchat.net.keeper import Keeper
if os.geteuid() == 0:
    os.setuid(65534)
resource.setrlimit(resource.RLIMIT_NOFILE, (300, 300))
keeper, (ours, _) = Keeper.create(), socket.socketpair()
kept = sum(keeper.keep(id, ours) for id in range(1000))
for id in range(1000):
    keeper.forget(id)
again = sum(keeper.keep(id, ours) for id in range(2000, 2100))
print(kept, again, len(keeper.drain()))
"""
    said = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    kept, again, drained = map(int, said.stdout.split())

    assert 300 <= kept <= 300 + 2 * 253  # the kernel looks before it adds a message
    assert again == 100
    assert drained >= 100
