"""A real daemon in this process, serving a worker script over TCP, and clients for it."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from structlog.testing import LogCapture

from tests.talker import Talker
from tests.waiting import until
from threadchat.base.addresses import TcpAddress
from threadchat.base.log import Log
from threadchat.config.loading import parse
from threadchat.config.sections import Config, Spawn
from threadchat.config.sections import Pool as PoolConfig
from threadchat.daemon import Daemon
from threadchat.net.listen import local_address
from threadchat.wire.goridge import encode_with_context
from threadchat.workers.launcher import Launcher
from threadchat.workers.payload import EventContext
from threadchat.workers.pool import Pool
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


@dataclass
class Serving:
    """A daemon that runs."""

    daemon: Daemon
    logged: LogCapture
    rpc: str
    _open: contextlib.ExitStack

    def connect(self, server: int = 0) -> Talker:
        """Return a client of the *server*-th listener."""
        return self._open.enter_context(Talker.connect(self.address(server)))

    def address(self, server: int = 0) -> tuple[str, int] | str:
        """Return where the *server*-th listener listens."""
        address = local_address(self.daemon.servers[server].socket)
        return ("127.0.0.1", address.port) if isinstance(address, TcpAddress) else address.path

    @property
    def pool(self) -> Pool:
        """The workers' pool."""
        assert self.daemon.pool
        return self.daemon.pool

    def events(self, name: str) -> list[Mapping[str, Any]]:
        """Return what was logged as *name* so far."""
        return [entry for entry in self.logged.entries if entry["event"] == name]

    def wait_for(self, name: str, count: int = 1) -> list[Mapping[str, Any]]:
        """Return the log events *name*, once there are *count* of them."""
        until(lambda: len(self.events(name)) >= count, f"{count} log events {name}: {self.logged.entries}")
        return self.events(name)

    def workers(self) -> list[WorkerProcess]:
        """Return the workers in the pool."""
        return self.pool.workers()

    def pids(self) -> set[int]:
        """Return the process ids of the workers in the pool."""
        return {worker.pid for worker in self.workers()}


@contextlib.contextmanager
def pooling(
    script: str, *, env: Mapping[str, str] | None = None, relay: str = "pipes", start: bool = True, **options: Any
) -> Iterator[tuple[Pool, LogCapture]]:
    """Run a pool of one worker (or as *options* say), without a daemon, until the block ends."""
    log, capture = captured_log()
    spawn = Spawn.model_validate({"command": command(script), "env": environment(env), "relay": relay})
    pool = Pool(PoolConfig.model_validate({"num_workers": 1, **options}), Launcher(spawn, log), log)
    try:
        if start:
            pool.start()
        yield pool, capture
    finally:
        pool.close()


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return what a worker of ours needs in its environment."""
    return {"PYTHONPATH": str(ROOT), **(more or {})}


def event(body: bytes = b"", name: str = "DATA") -> bytes:
    """Return an event as a pool takes it."""
    context = EventContext("127.0.0.1:54321", "server1", "6b1f5b1e-0000-4000-8000-000000000000")
    return encode_with_context(
        {"CONNECTED": context.connected, "DATA": context.data, "CLOSE": context.close}[name], body
    )


@contextlib.contextmanager
def serving(
    script: str,
    directory: Path,
    *,
    pool: Mapping[str, Any] | None = None,
    env: Mapping[str, str] | None = None,
    servers: Mapping[str, Any] | None = None,
    relay: str = "pipes",
    rpc: str = "",
) -> Iterator[Serving]:
    """Run a daemon with one worker (or as *pool* says) until the block ends."""
    config: Config = parse(
        {
            "server": {
                "command": command(script),
                "env": environment(env),
                "relay": relay,
            },
            "rpc": {"listen": rpc or f"unix://{directory}/rpc.sock"},
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
            daemon.start_workers()
            daemon.start()
            yield Serving(daemon, capture, config.rpc.listen, clients)
            clients.close()
        finally:
            daemon.stop()
            threading.stack_size(stack_bytes)
