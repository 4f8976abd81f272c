"""A real daemon in this process, serving a worker script over TCP, and clients for it."""

from __future__ import annotations

import contextlib
import logging
import socket
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from structlog.testing import LogCapture

from tests.waiting import DEADLINE, until
from threadchat.addresses import TcpAddress
from threadchat.config import Config, parse
from threadchat.daemon import Daemon
from threadchat.log import Log
from threadchat.net.listen import local_address
from threadchat.workers.process import WorkerProcess

ROOT = Path(__file__).parents[2]


def command(script: str) -> list[str]:
    """Return the command for a worker in tests/workers/bad, or for any other script by its path."""
    if "/" in script:
        return [sys.executable, str(ROOT / script)]
    return [sys.executable, "-m", f"tests.workers.bad.{script}"]


def captured_log() -> tuple[Log, LogCapture]:
    """Return a logger, and what it was told."""
    capture = LogCapture()
    log: Log = structlog.wrap_logger(
        structlog.ReturnLogger(),
        processors=[capture],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
    )
    return log, capture


class Client:
    """A TCP client that knows what it expects."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)
        self.address = "{}:{}".format(*self._socket.getsockname())

    def send(self, data: bytes) -> None:
        """Send *data*."""
        self._socket.sendall(data)

    def receive(self, count: int) -> bytes:
        """Return the next *count* bytes, fewer if the connection ends."""
        data = b""
        while len(data) < count and (piece := self._socket.recv(count - len(data))):
            data += piece
        return data

    def expect(self, data: bytes) -> None:
        """Receive exactly *data*."""
        assert self.receive(len(data)) == data

    def ask(self, message: bytes) -> bytes:
        """Send *message* and return the line that comes back."""
        self.send(message)
        line = b""
        while not line.endswith(b"\n") and (piece := self.receive(1)):
            line += piece
        return line

    def expect_end(self) -> None:
        """Receive nothing more, and the end of the connection."""
        with contextlib.suppress(ConnectionResetError):
            assert self._socket.recv(65536) == b""

    def finish(self) -> None:
        """Send no more."""
        self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Disconnect."""
        self._socket.close()


@dataclass
class Serving:
    """A daemon that runs."""

    daemon: Daemon
    logged: LogCapture
    rpc: str
    _open: contextlib.ExitStack

    def connect(self, server: int = 0) -> Client:
        """Return a client of the *server*-th listener."""
        address = local_address(self.daemon.servers[server].socket)
        assert isinstance(address, TcpAddress)
        client = Client(address.port)
        self._open.callback(client.close)
        return client

    def events(self, name: str) -> list[Mapping[str, Any]]:
        """Return what was logged as *name* so far."""
        return [entry for entry in self.logged.entries if entry["event"] == name]

    def wait_for(self, name: str, count: int = 1) -> list[Mapping[str, Any]]:
        """Return the log events *name*, once there are *count* of them."""
        until(lambda: len(self.events(name)) >= count, f"{count} log events {name}: {self.logged.entries}")
        return self.events(name)

    def workers(self) -> list[WorkerProcess]:
        """Return the workers in the pool."""
        assert self.daemon.pool
        return self.daemon.pool.workers()

    def pids(self) -> set[int]:
        """Return the process ids of the workers in the pool."""
        return {worker.pid for worker in self.workers()}


@contextlib.contextmanager
def serving(
    script: str,
    directory: Path,
    *,
    pool: Mapping[str, Any] | None = None,
    env: Mapping[str, str] | None = None,
    servers: Mapping[str, Any] | None = None,
    relay: str = "pipes",
) -> Iterator[Serving]:
    """Run a daemon with one worker (or as *pool* says) until the block ends."""
    config: Config = parse(
        {
            "server": {
                "command": command(script),
                "env": {"PYTHONPATH": str(ROOT), **(env or {})},
                "relay": relay,
            },
            "rpc": {"listen": f"unix://{directory}/rpc.sock"},
            "tcp": {
                "servers": servers or {"smtp": {"addr": "tcp://127.0.0.1:0"}},
                "pool": {"num_workers": 1, **(pool or {})},
            },
        }
    )
    log, capture = captured_log()
    stack_bytes = threading.stack_size()
    daemon = Daemon(config, log)
    with contextlib.ExitStack() as clients:
        try:
            daemon.start()
            yield Serving(daemon, capture, config.rpc.listen, clients)
            clients.close()
        finally:
            daemon.stop()
            threading.stack_size(stack_bytes)
