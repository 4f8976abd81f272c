"""
All that a daemon has for its worker servers: the pool, its supervisor, the RPC socket, the reachable connections.

There is one service for all worker servers of a configuration. It starts before any connection is accepted, and stops
after the last connection has gone. ``start`` and ``stop`` are for the main thread.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable

from threadchat.apps.worker import WorkerApp
from threadchat.apps.worker_connections import WorkerConnections
from threadchat.base.addresses import UnixAddress, parse_address
from threadchat.base.log import Log
from threadchat.config.sections import Config, Server
from threadchat.net.connection import Connection
from threadchat.process.processor import Placement
from threadchat.workers.admin import admin_methods
from threadchat.workers.launcher import Launcher
from threadchat.workers.pool import Pool
from threadchat.workers.rpc_server import RpcServer, runtime_directory
from threadchat.workers.supervisor import Supervisor


class WorkerService:
    """Holds nothing until ``start``."""

    def __init__(self, config: Config, log: Log, placement: Placement | None = None) -> None:
        self._config = config
        self._placement = placement
        self._log = log
        self._connections = WorkerConnections()
        self._undo = contextlib.ExitStack()
        self.pool: Pool | None = None

    def start(self, *, wait: bool) -> None:
        """
        Start all workers. Either *wait* until they are ready, or start them in the background and keep trying.

        Raises RpcError or ListenError, and if it waits also WorkerStartError. Nothing is left running then.
        """
        config, pool_config = self._config, self._config.tcp.pool
        path = _rpc_path(config.rpc.listen)
        with contextlib.ExitStack() as undo:
            launcher = Launcher(
                config.server, self._log, pool_config.command, rpc=f"unix://{path}", placement=self._placement
            )
            pool = Pool(pool_config, launcher, self._log)
            undo.callback(pool.close)
            rpc = RpcServer(path, {**admin_methods(pool), **self._connections.methods()}, self._log)
            undo.callback(rpc.close)
            (pool.start if wait else pool.begin)()
            undo.callback(Supervisor(pool, pool_config.supervisor).close)
            self.pool = pool
            self._undo = undo.pop_all()

    def stop(self) -> None:
        """Let the pool answer what it has in flight, then end it and all threads."""
        self._undo.close()

    def app_factory(self, server: Server) -> Callable[[Connection], WorkerApp]:
        """Return a function that makes the app of each of *server*'s connections."""

        def make_app(connection: Connection) -> WorkerApp:
            assert self.pool is not None
            return WorkerApp(connection, server, self.pool, self._connections, self._log)

        return make_app


def _rpc_path(listen: str) -> str:
    address = parse_address(listen) if listen else None
    if isinstance(address, UnixAddress):
        return address.path
    return str(runtime_directory() / f"rpc-{os.getpid()}.sock")
