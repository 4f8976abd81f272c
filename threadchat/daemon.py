"""
The composition root: builds everything from the configuration, starts it, and stops it in order.

Nothing else reads the whole configuration or knows all the parts.
"""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import signal
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from types import FrameType

from threadchat.addresses import parse_address
from threadchat.apps.broadcast import BroadcastApp, BroadcastMember
from threadchat.apps.chat import ChatApp
from threadchat.apps.echo import EchoApp
from threadchat.apps.worker_service import WorkerService
from threadchat.chat.fanout import Fanout
from threadchat.chat.hub import Hub
from threadchat.config import Config, Server
from threadchat.limits import AddressCounter
from threadchat.log import Log
from threadchat.net.connection import Connection
from threadchat.net.connection_set import ConnectionSet
from threadchat.net.flusher import Flusher
from threadchat.net.handler import App
from threadchat.net.listen import listen
from threadchat.net.server import STACK_BYTES, AppServer
from threadchat.processor import settle
from threadchat.workers.pool import Pool


class Daemon:
    """All listeners of one configuration. ``start``, then ``stop``; both from one thread."""

    def __init__(self, config: Config, log: Log, processors: frozenset[int] = frozenset()) -> None:
        """
        Bind every address. Raises ListenError, with nothing left bound.

        *processors* are those for the workers, where the daemon keeps to one itself.
        """
        self._log = log
        self._stop_timeout = config.daemon.stop_timeout
        self._flusher = Flusher()
        self._hub = Hub(time.monotonic, self._flusher.later)
        self._workers = WorkerService(config, log, processors) if config.tcp.needs_pool else None
        self._sets: list[ConnectionSet] = []
        self.servers: list[AppServer] = []
        try:
            for name, server in config.tcp.servers.items():
                self._add_server(name, server)
        except BaseException:
            for bound in self.servers:
                bound.stop()
            self._flusher.stop()
            raise

    def start(self) -> None:
        """
        Accept connections. Everything is ready when this returns.

        Raises WorkerError, ListenError or RpcError if there are workers; ``stop`` is to be called then too.
        """
        _raise_descriptor_limit()
        gc.freeze()  # what has been loaded so far stays: the collector need not look at it again and again
        threading.stack_size(STACK_BYTES)
        if self._workers:
            self._workers.start()
        self._flusher.start()
        for server in self.servers:
            server.start()

    def stop(self) -> None:
        """Stop accepting, tell everyone, send what is queued, all within the stop time-out; then close."""
        deadline = time.monotonic() + self._stop_timeout
        for server in self.servers:
            server.stop()
        forced = sum([connections.drain(deadline) for connections in self._sets])
        if self._workers:
            self._workers.stop()
        self._flusher.stop()
        self._log.info("stopped", forced=forced)

    @property
    def pool(self) -> Pool | None:
        """The workers, if there are any."""
        return self._workers.pool if self._workers else None

    def _add_server(self, name: str, server: Server) -> None:
        """One name is one app and one set of limits, on however many addresses."""
        connections = ConnectionSet(server.limits.max_connections)
        addresses = AddressCounter(server.limits.max_connections_per_address)
        make_app = self._app_factory(server)
        self._sets.append(connections)
        for text in server.addr:
            self.servers.append(
                AppServer(
                    name,
                    listen(parse_address(text)),
                    server.limits,
                    connections,
                    addresses,
                    make_app,
                    self._flusher,
                    self._log,
                )
            )

    def _app_factory(self, server: Server) -> Callable[[Connection], App]:
        match server.app:
            case "echo":
                return EchoApp
            case "broadcast":
                fanout: Fanout[BroadcastMember] = Fanout()
                return lambda connection: BroadcastApp(connection, fanout, server.echo_sender)
            case "chat":  # every chat listener is a door to the same chat
                return lambda connection: ChatApp(connection, self._hub, server)
            case "worker":
                assert self._workers is not None
                return self._workers.app_factory(server)


def run(config: Config, log: Log) -> int:
    """
    Run a daemon until SIGTERM or SIGINT; return the exit status.

    A second signal ends the process at once, with the status a shell expects of it.
    """
    signals: SimpleQueue[int] = SimpleQueue()

    def note(number: int, frame: FrameType | None) -> None:
        if stopping:
            os._exit(128 + number)
        signals.put(number)

    stopping = False
    processors = settle() if config.daemon.one_processor else frozenset()
    daemon = Daemon(config, log, processors)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, note)
    try:
        daemon.start()
        received = signals.get()
        stopping = True
        log.info("stopping", signal=signal.Signals(received).name)
    finally:
        daemon.stop()
    return 0


def _raise_descriptor_limit() -> None:
    """Allow this process as many descriptors as it may have: a connection takes one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
