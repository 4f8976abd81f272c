"""
The connections that workers can close, write to and broadcast to over RPC, at any time and without an event.

Callable from any thread. RoadRunner has only the closing.
"""

from __future__ import annotations

import base64
import threading
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from threadchat.base.errors import CloseReason
from threadchat.chat.fanout import ByteFanout, Fanout, Message, send_batch
from threadchat.net.connection import Connection
from threadchat.workers.rpc_server import Method


class WorkerConnection:
    """A connection as workers can reach it, and as the fan-out knows it. Bytes are sent as they are."""

    __slots__ = ("_connection", "send", "server")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.send = connection.send
        self.server = connection.server

    def close(self) -> None:
        """Close it for its client now. A worker's later answer is not sent any more."""
        self._connection.close(CloseReason.APP)
        self._connection.stop_sending()


class WorkerConnections:
    """The open connections of all worker servers, by uuid and by server. Callable from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_uuid: dict[str, WorkerConnection] = {}
        self._by_server: defaultdict[str, ByteFanout[WorkerConnection]] = defaultdict(lambda: Fanout(send_batch))

    def add(self, uuid: str, connection: WorkerConnection) -> None:
        """Make *connection* reachable, by *uuid* and by its server."""
        with self._lock:
            self._by_uuid[uuid] = connection
            fanout = self._by_server[connection.server]
        fanout.add(connection)

    def discard(self, uuid: str) -> None:
        """Make the connection *uuid* unreachable."""
        with self._lock:
            connection = self._by_uuid.pop(uuid, None)
            fanout = self._by_server[connection.server] if connection else None
        if connection and fanout:
            fanout.discard(connection)

    def methods(self) -> Mapping[str, Method]:
        """Return what workers can call. RoadRunner has only ``tcp.Close``."""
        return {"tcp.Close": self._close, "tcp.Write": self._write, "tcp.Broadcast": self._broadcast}

    def _close(self, uuid: Any) -> bool:
        if connection := self._by_uuid.get(uuid):
            connection.close()
        return True  # also if there is no such connection, as in RoadRunner

    def _write(self, argument: Any) -> bool:
        connection, data = self._by_uuid.get(argument["uuid"]), base64.b64decode(argument["data"], validate=True)
        if connection:
            connection.send(data)
        return connection is not None

    def _broadcast(self, argument: Any) -> int:
        data = base64.b64decode(argument["data"], validate=True)
        with self._lock:
            fanout = self._by_server.get(argument["server"])
        if fanout is None:
            return 0
        fanout.post(Message(None, data))
        return len(fanout)
