"""Reaching connections without having been asked by them: tcp.Close, tcp.Write, tcp.Broadcast."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.talker import Talker
from tests.waiting import DEADLINE
from tests.workers.serving import Serving, serving
from threadchat.base.errors import RpcError
from threadchat.workers.rpc import RpcClient

#: Greets with the uuid, echoes; waits at a gate until it is closed.
WORKER = """
import socket
from threadchat.sdk import TcpEvent, TcpWorker
worker = TcpWorker()
for request in worker:
    if request.body.startswith(b"wait at "):
        gate = socket.socket(socket.AF_UNIX)
        gate.connect(request.body.split()[2])
        gate.recv(1)
    worker.respond(request.uuid + chr(10) if request.event is TcpEvent.CONNECTED else request.body)
"""

SERVERS = {name: {"addr": "tcp://127.0.0.1:0"} for name in ("red", "blue")}


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Serving]:
    (tmp_path / "worker.py").write_text(WORKER)
    with serving(str(tmp_path / "worker.py"), tmp_path, servers=SERVERS) as daemon:
        yield daemon


@pytest.fixture
def rpc(daemon: Serving) -> Iterator[RpcClient]:
    client = RpcClient(daemon.rpc)
    yield client
    client.close()


def greeted(daemon: Serving, server: int = 0) -> tuple[Talker, str]:
    """Return a client and its uuid."""
    client = daemon.connect(server)
    return client, client.line()


def test_a_connection_can_be_closed(daemon: Serving, rpc: RpcClient) -> None:
    """By its uuid; the others stay. One that is not there is closed already."""
    (alice, alices), (bob, _) = greeted(daemon), greeted(daemon)
    assert rpc.call("tcp.Close", alices) is True
    alice.is_gone_quietly()
    daemon.wait_for("connection_closed")
    assert rpc.call("tcp.Close", alices) is True
    assert rpc.call("tcp.Close", "nobody") is True
    bob.says("still here\r")
    assert bob.line() == "still here\r"


def test_one_that_a_worker_is_busy_with_is_closed_at_once(daemon: Serving, rpc: RpcClient, tmp_path: Path) -> None:
    """Its client does not wait for an answer, and does not get it."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "gate"))
        listener.listen()
        listener.settimeout(DEADLINE)
        alice, alices = greeted(daemon)
        alice.says(f"wait at {tmp_path}/gate\r")
        with listener.accept()[0]:  # a worker has it now
            rpc.close_connection(alices)
            alice.is_gone_quietly()
    daemon.wait_for("connection_closed")


def test_a_connection_can_be_written_to(daemon: Serving, rpc: RpcClient) -> None:
    """Any bytes, without an event; whether it is there is told."""
    alice, alices = greeted(daemon)
    assert rpc.write(alices, bytes(range(256))) is True
    assert alice.receives(256) == bytes(range(256))
    assert rpc.write("nobody", b"x") is False


def test_all_of_one_server_can_be_written_to(daemon: Serving, rpc: RpcClient) -> None:
    """And of no other; how many they are is told."""
    reds, (blue, _) = [greeted(daemon)[0] for _ in range(3)], greeted(daemon, 1)
    assert rpc.broadcast("red", b"to the red\n") == 3
    assert rpc.broadcast("blue", b"to the blue\n") == 1
    assert rpc.broadcast("green", b"to nobody\n") == 0
    assert [red.line() for red in reds] == ["to the red"] * 3
    assert blue.line() == "to the blue"


def test_broadcasts_come_in_one_order_for_all(daemon: Serving) -> None:
    """Also from several callers at once."""
    clients = [greeted(daemon)[0] for _ in range(3)]

    def call(name: int) -> None:
        rpc = RpcClient(daemon.rpc)
        for number in range(30):
            rpc.broadcast("red", b"%d-%d\n" % (name, number))
        rpc.close()

    callers = [threading.Thread(target=call, args=(name,), name=f"caller-{name}") for name in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    seen = [[client.line() for _ in range(120)] for client in clients]

    assert seen[0] == seen[1] == seen[2]


@pytest.mark.parametrize("argument", [None, {}, {"uuid": "x"}, {"uuid": "x", "data": "no base64"}])
def test_a_wrong_argument_is_told(rpc: RpcClient, argument: object) -> None:
    """To the caller, who goes on."""
    with pytest.raises(RpcError):
        rpc.call("tcp.Write", argument)
    assert rpc.write("nobody", b"") is False
