"""The daemon's ear: who may call, what is answered, and what happens to nonsense."""

from __future__ import annotations

import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.workers import raw
from tests.workers.serving import captured_log
from threadchat.base.errors import RpcError, WorkerError
from threadchat.wire import goridge
from threadchat.workers.rpc import RpcClient
from threadchat.workers.rpc_server import RpcServer, find_sockets, runtime_directory


def refuse(_: Any) -> None:
    raise WorkerError("not today")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RpcServer]:
    """A server with a method that doubles and one that refuses."""
    log, _ = captured_log()
    server = RpcServer(str(tmp_path / "rpc"), {"double": lambda number: number * 2, "refuse": refuse}, log)
    yield server
    server.close()
    assert not Path(tmp_path, "rpc").exists()


def test_methods_are_called_and_answered(server: RpcServer) -> None:
    """By several clients, each in its own time."""
    clients = [RpcClient(server.address) for _ in range(3)]
    for number, client in enumerate(clients):
        assert client.call("double", number) == number * 2
        assert client.call("double", "x") == "xx"
    for client in clients:
        client.close()


@pytest.mark.parametrize(
    ("method", "argument", "message"),
    [("halve", 1, "no such method"), ("refuse", 1, "not today"), ("double", None, "unsupported operand")],
)
def test_a_failure_is_told_to_the_caller(server: RpcServer, method: str, argument: object, message: str) -> None:
    """And the connection goes on."""
    client = RpcClient(server.address)
    with pytest.raises(RpcError, match=message):
        client.call(method, argument)
    assert client.call("double", 2) == 4
    client.close()


@pytest.mark.parametrize("nonsense", [b"GET / HTTP/1.0\r\n\r\n", raw.frame(b"double2", (1,), goridge.JSON)])
def test_nonsense_is_hung_up_on(server: RpcServer, nonsense: bytes, tmp_path: Path) -> None:
    """Text, and a frame that is no call."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(tmp_path / "rpc"))
        client.sendall(nonsense)
        assert client.recv(100) == b""


def test_only_the_owner_may_call(server: RpcServer, tmp_path: Path) -> None:
    """By the mode of the socket's file."""
    assert stat.S_IMODE((tmp_path / "rpc").stat().st_mode) == 0o600


def test_closing_disconnects_clients(tmp_path: Path) -> None:
    """One that waits for an answer is not waited for."""
    log, _ = captured_log()
    server = RpcServer(str(tmp_path / "rpc"), {}, log)
    client = RpcClient(server.address)
    with pytest.raises(RpcError):
        client.call("nothing", None)
    server.close()
    with pytest.raises(OSError, match=r"closed|Broken pipe"):
        client.call("nothing", None)
    client.close()


def test_the_usual_place_is_for_this_user_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """systemd's directory if it made one; otherwise one of our own, which nobody else may have prepared."""
    monkeypatch.setenv("RUNTIME_DIRECTORY", "/run/threadchat:/run/more")
    assert runtime_directory() == Path("/run/threadchat")
    monkeypatch.delenv("RUNTIME_DIRECTORY")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    directory = runtime_directory()
    assert directory == tmp_path / "threadchat"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    directory.chmod(0o755)
    with pytest.raises(RpcError, match="for this user alone"):
        runtime_directory()


def test_running_daemons_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not those whose socket is left over."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    directory, (log, _) = runtime_directory(), captured_log()
    left_over = socket.socket(socket.AF_UNIX)
    left_over.bind(str(directory / "rpc-1.sock"))
    left_over.close()
    server = RpcServer(str(directory / "rpc-2.sock"), {}, log)
    found = find_sockets()
    server.close()

    assert [address for address in found if str(tmp_path) in address] == [f"unix://{directory}/rpc-2.sock"]
