"""
The composition root: builds everything from the configuration, starts it, and stops it in order.

Nothing else reads the whole configuration or knows all the parts. process/lifecycle.py deals with signals and systemd,
and calls this.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import resource
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from threadchat.apps.broadcast import BroadcastApp, BroadcastMember
from threadchat.apps.chat import ChatApp
from threadchat.apps.echo import EchoApp
from threadchat.apps.worker_service import WorkerService
from threadchat.base.addresses import parse_address
from threadchat.base.errors import ListenError
from threadchat.base.heartbeat import Heartbeat
from threadchat.base.limits import AddressCounter, AddressPacer
from threadchat.base.log import Log
from threadchat.chat.fanout import ByteFanout, Fanout, send_batch
from threadchat.chat.hub import Hub, Traffic
from threadchat.chat.room import Settings
from threadchat.config.sections import Config, Server
from threadchat.history.opening import open_history
from threadchat.net.connection import Connection
from threadchat.net.connection_set import ConnectionSet
from threadchat.net.flusher import Flusher
from threadchat.net.handler import App
from threadchat.net.handover import NAMES, Handover, Stored
from threadchat.net.listen import closed, inherit, listen, local_address
from threadchat.net.server import STACK_BYTES, AppServer
from threadchat.process.processor import Placement
from threadchat.process.watchdog import Watchdog
from threadchat.workers.pool import Pool

#: Options of a server that need a restart.
_FIXED = ("addr", "app", "socket_mode", "socket_group", "delimiter")


class Daemon:
    """
    All listeners of one configuration. Call ``start_workers`` and ``start``, then ``stop`` or ``hand_over``, all from
    one thread.

    *inherited* are descriptors by name. Listening sockets have the name of a server, which listens on them instead of
    on its addresses. The other descriptors are what a predecessor has handed over. *owned* are the names of the
    listening sockets that a predecessor bound itself. *placement* is the workers', if it is not the daemon's own.
    """

    def __init__(
        self,
        config: Config,
        log: Log,
        inherited: Mapping[str, Sequence[int]] | None = None,
        watchdog: Watchdog | None = None,
        placement: Placement | None = None,
        owned: Collection[str] = (),
    ) -> None:
        """
        Bind every address. An address that cannot be bound is logged as an error, and the others are served.

        Raises ListenError if no server has a listener then.
        """
        self._log = log
        self._systemd = (inherited or {}).keys() - {*owned, *NAMES}  # the names of systemd's listeners
        self._watchdog = watchdog or Watchdog(lambda: None, None)
        for name in (inherited or {}).keys() - {*config.tcp.servers, *NAMES}:
            log.warning("inherited_socket_unused", name=name)
        self._stop_timeout = config.daemon.stop_timeout
        self._configs = dict(config.tcp.servers)  # as they are now, see reconfigure
        self.handover = Handover.inherit(inherited or {})
        self._stored, dismissed = self.handover.take_over()
        if dismissed:
            log.warning("connections_dismissed", count=dismissed)
        self._numbers = itertools.count(max((stored.number for stored in self._stored), default=0) + 1)
        self._flusher = Flusher(self._watchdog.heartbeat("flusher"))
        self._history = open_history(config.history, os.environ, log)
        self._history.restore(self.handover.chat_state or [])
        settings = Settings(time.monotonic, _now, self._flusher.later, config.history.replay)
        self._hub = Hub(self._history, settings, self._watchdog.heartbeat)
        self._workers = WorkerService(config, log, placement) if config.tcp.needs_pool else None
        self._sets: dict[str, ConnectionSet] = {}
        self._addresses: dict[str, AddressCounter] = {}
        self._pacers: dict[str, AddressPacer] = {}
        self.servers: list[AppServer] = []
        self._shut: list[AppServer] = []  # they have no listener, only connections from before
        try:
            self._add_servers(inherited or {})
        except BaseException:
            for bound in self.servers:
                bound.stop()
            self._flusher.stop()
            self._history.close()
            for stored in self._stored:
                stored.socket.close()
            self.handover.close()
            raise

    def start_workers(self) -> None:
        """
        Start the workers, if there are any, and wait until they are ready.

        If a predecessor has left connections, this does not wait. So they neither wait for workers, nor are they lost
        if no worker can start. Raises WorkerError, ListenError or RpcError; ``stop`` is to be called then, too.
        """
        _raise_descriptor_limit()
        if self._workers:
            self._workers.start(wait=not self._stored)

    def start(self) -> None:
        """Go on with the connections of a predecessor; accept new ones. Everything is ready when this returns."""
        threading.stack_size(STACK_BYTES)
        for stored in self._stored:  # all are restored before any is read
            self._restore(stored)
        if self._stored:
            self._log.info("connections_taken_over", count=sum(map(len, self._sets.values())))
        self._stored.clear()
        self.handover.begin()
        self._history.start()
        self._flusher.start()
        for server in (*self.servers, *self._shut):
            server.resume()
        for server in self.servers:
            server.start()

    def dismiss_stored(self) -> None:
        """Say goodbye to the connections that a predecessor has left. Called instead of ``start``."""
        for stored in self._stored:
            self.handover.dismiss(stored, "The server is shutting down. Goodbye!")
        self._stored.clear()

    def stop(self) -> None:
        """Stop accepting, tell everyone, send what is queued, all within the stop time-out; then close."""
        deadline = time.monotonic() + self._stop_timeout
        for server in self.servers:
            server.stop()
        forced = sum([connections.drain(deadline) for connections in self._sets.values()])
        if self._workers:
            self._workers.stop()
        self._flusher.stop()
        self._history.close()
        self.handover.close()
        self._log.info("stopped", forced=forced)

    def hand_over(self) -> dict[str, list[int]]:
        """
        Stop, but leave the connections to a successor: return the descriptors that it is to inherit.

        From now on nothing that is said is acted on, but the listeners stay open. New connections wait in the kernel.
        What is said waits in the kernel or in a slot. Connections of worker servers end as in :meth:`stop`. If the
        thread of a connection still acts after the stop time-out, the successor gets the state that was saved last, as
        after a crash.
        """
        deadline = time.monotonic() + self._stop_timeout
        for server in self.servers:
            server.pause()
        handed = [connections.hand_over(deadline) for connections in self._sets.values()]
        if self._workers:
            self._workers.stop()
        self._flusher.stop()
        acting = [connection for _, acting in handed for connection in acting]
        count = sum([connection.leave_behind() for parked, _ in handed for connection in parked])
        self.handover.complete((connection.number for connection in acting), self._history.state())
        self._history.close()
        if acting:
            self._log.warning("handed_over_acting", count=len(acting))
        self._log.info("handed_over", count=count + len(acting))
        fds = self.handover.fds()
        for server in self.servers:
            fds.setdefault(server.name, []).append(server.socket.fileno())
        return fds

    def reconfigure(self, config: Config) -> list[str]:
        """Use the limits and texts of *config* for all who come from now on; return what needs a restart."""
        old, new = self._configs, dict(config.tcp.servers)
        later = [f"tcp.servers.{name}" for name in sorted(old.keys() ^ new.keys())]
        for name in sorted(old.keys() & new.keys()):
            fixed = {key: getattr(old[name], key) for key in _FIXED}
            later += [f"tcp.servers.{name}.{key}" for key, value in fixed.items() if getattr(new[name], key) != value]
            if new[name].limits.ipv6_prefix != old[name].limits.ipv6_prefix:  # the counts so far are by the old one
                later.append(f"tcp.servers.{name}.limits.ipv6_prefix")
            self._configs[name] = new[name].model_copy(update=fixed)
            self._sets[name].limit = new[name].limits.max_connections
            self._addresses[name].limit = new[name].limits.max_connections_per_address
            self._pacers[name].per_minute = new[name].limits.connections_per_minute_per_address
        for server in self.servers:
            server.limits = self._configs[server.name].limits
        self._stop_timeout = config.daemon.stop_timeout
        return later

    @property
    def has_predecessor(self) -> bool:
        """Whether this daemon goes on with what another one has left."""
        return not self.handover.is_new

    def descriptors(self) -> dict[str, list[int]]:
        """Return the descriptors that a service manager is to keep for a successor, by name."""
        return self.handover.fds()

    @property
    def owned_names(self) -> list[str]:
        """The names of the servers whose listeners this process, or a predecessor, has bound itself."""
        return [server.name for server in self.servers if not server.inherited]

    def traffic(self) -> Traffic:
        """Return how much goes on in the chat."""
        return self._hub.traffic()

    @property
    def pool(self) -> Pool | None:
        """The workers, if there are any."""
        return self._workers.pool if self._workers else None

    def _add_servers(self, inherited: Mapping[str, Sequence[int]]) -> None:
        problems = [
            (name, problem)
            for name in self._configs
            for problem in self._add_server(name, [inherit(fd) for fd in inherited.get(name, ())])
        ]
        if not self.servers:
            raise ListenError("\n".join(problem for _, problem in problems))
        for name, problem in problems:
            self._log.error("not_listening", server=name, problem=problem)

    def _add_server(self, name: str, inherited: Sequence[socket.socket]) -> list[str]:
        """
        Make one app with one set of limits, on all addresses of a server.

        Return a sentence for each address that cannot be bound.
        """
        server = self._configs[name]
        problems: list[str] = []
        limits = server.limits
        self._sets[name] = ConnectionSet(limits.max_connections, self._numbers)
        self._addresses[name] = AddressCounter(limits.max_connections_per_address, limits.ipv6_prefix)
        per_minute = limits.connections_per_minute_per_address
        self._pacers[name] = AddressPacer(per_minute, time.monotonic, limits.ipv6_prefix)
        make_app = self._app_factory(name, server)

        def serve_on(listener: socket.socket, heartbeat: Heartbeat | None) -> AppServer:
            return AppServer(
                name,
                listener,
                limits,
                self._sets[name],
                self._addresses[name],
                make_app,
                self._flusher,
                self._log,
                inherited=name in self._systemd,
                handover=self.handover,
                heartbeat=heartbeat,
                pacer=self._pacers[name],
            )

        before = len(self.servers)
        for listener in inherited or self._listen(name, server, problems):
            self.servers.append(serve_on(listener, self._watchdog.heartbeat(f"accept-{name}")))
        if name in self._systemd:
            self._explain_unused(name, server, inherited)
        if len(self.servers) == before:
            self._shut.append(serve_on(closed(), None))
        return problems

    def _listen(self, name: str, server: Server, problems: list[str]) -> Iterator[socket.socket]:
        """Listen on every address that can be bound; add a sentence to *problems* for each other one."""
        if self._systemd:  # its service may not be allowed to bind
            unit = f"threadchat@{name}.socket" if name != "lobby" else "threadchat.socket"
            problems.append(f"systemd gives no listener named {name}: enable {unit} (see docs/operations.md)")
            return
        for text in server.addr:
            try:
                yield listen(parse_address(text), server.socket_permissions, server.socket_group)
            except ListenError as problem:
                problems.append(str(problem))

    def _explain_unused(self, name: str, server: Server, listeners: Sequence[socket.socket]) -> None:
        """Log which addresses of the configuration are not used, because the listeners come from systemd."""
        used = {str(local_address(listener)) for listener in listeners}
        if unused := [text for text in server.addr if text not in used]:
            reason = f"systemd gives the listener named {name}: change its .socket unit instead"
            self._log.warning("addr_not_used", server=name, addr=unused, reason=reason)

    def _restore(self, stored: Stored) -> None:
        """Restore one connection, or tell its peer why that is impossible."""
        doors = [server for server in (*self.servers, *self._shut) if server.name == stored.state.get("server")]
        if not doors:
            self.handover.dismiss(stored, "This service has been closed. Goodbye!")
            return
        try:
            doors[0].restore(stored, self.handover.kept(stored))
        except Exception:  # noqa: BLE001, whatever is wrong with one, the others shall go on
            self._log.exception("restore_failed", connection=stored.number)
            self.handover.dismiss(stored, "The server has been restarted, and cannot go on. Please come again!")

    def _app_factory(self, name: str, server: Server) -> Callable[[Connection], App]:
        match server.app:
            case "echo":
                return EchoApp
            case "broadcast":
                fanout: ByteFanout[BroadcastMember] = Fanout(
                    send_batch, self._watchdog.heartbeat(f"deliverer of {name}")
                )
                return lambda connection: BroadcastApp(connection, fanout, self._configs[name].echo_sender)
            case "chat":  # every chat listener is a door to the same chat
                return lambda connection: ChatApp(connection, self._hub, self._configs[name])
            case "worker":
                assert self._workers is not None
                return self._workers.app_factory(server)


def _now() -> int:
    return time.time_ns() // 1_000_000


def _raise_descriptor_limit() -> None:
    """Let this process have as many descriptors as its hard limit allows: each connection takes one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
