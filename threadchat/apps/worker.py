"""
The worker app: a connection's events to the pool, the workers' verdicts back to the connection.

RoadRunner's contract, kept more strictly: one event per message, CLOSE once and last to every worker pool that
was told CONNECTED. The connection's own thread waits for each verdict, which keeps events in order and slows
a client down to what the pool can do. What workers can do over RPC is in worker_connections.py.
"""

from __future__ import annotations

import uuid

from threadchat.apps.worker_connections import WorkerConnection, WorkerConnections
from threadchat.config import Server
from threadchat.errors import CloseReason, NoFreeWorker, Unanswered, WireError, WorkerError
from threadchat.log import Log
from threadchat.net.connection import Connection
from threadchat.net.handler import App
from threadchat.wire.delimiter import DelimiterDecoder
from threadchat.wire.goridge import encode_with_context
from threadchat.workers.payload import EventContext, Verdict
from threadchat.workers.pool import Pool


class WorkerApp(App):
    """One client of the workers."""

    def __init__(
        self, connection: Connection, server: Server, pool: Pool, connections: WorkerConnections, log: Log
    ) -> None:
        self._connection = connection
        self._pool = pool
        self._connections = connections
        self._log = log
        self._decoder = DelimiterDecoder(server.delimiter.encode(), server.limits.max_message_bytes)
        remote = "@" if connection.peer == "unix" else connection.peer  # as Go writes it
        self._context = EventContext(remote, connection.server, str(uuid.uuid4()))
        self._announced = False  # whether a worker knows of this connection

    def connected(self) -> None:
        """Announce the connection, unless there is nobody to announce it to."""
        if not self._pool.available:
            self._connection.end(CloseReason.WORKER)
            return
        self._announced = True
        self._connections.add(self._context.uuid, WorkerConnection(self._connection))
        self._tell(self._context.connected, b"")

    def received(self, data: bytes) -> None:
        """Pass on each message that *data* completes, as long as the verdicts let the connection live."""
        try:
            messages = self._decoder.feed(data)
        except WireError as problem:
            self._log.warning("message_refused", peer=self._connection.peer, problem=str(problem))
            self._connection.end(CloseReason.PROTOCOL)
            return
        for message in messages:
            self._tell(self._context.data, message)
            if self._connection.reason is not None:
                return

    def closed(self, reason: CloseReason) -> None:
        """Pass on an unfinished message, if the peer ended properly, and say that this was all."""
        self._connections.discard(self._context.uuid)
        if reason is CloseReason.EOF and (rest := self._decoder.flush()):
            self._tell(self._context.data, rest)
        self._connection.hang_up()  # the client need not wait for what a worker does at CLOSE
        if self._announced:
            try:
                self._pool.exec(encode_with_context(self._context.close, b""), closing=True)
            except Unanswered:
                pass  # as in the example of RoadRunner's own documentation
            except WorkerError as problem:
                self._complain("CLOSE", problem)

    def _tell(self, context: bytes, body: bytes) -> None:
        """Have a worker handle one event, and do what it says."""
        connection = self._connection
        try:
            verdict, answer = self._pool.exec(encode_with_context(context, body))
        except WorkerError as problem:
            if isinstance(problem, NoFreeWorker) and context is self._context.connected:
                self._announced = False
            self._complain("CONNECTED" if context is self._context.connected else "DATA", problem)
            connection.end(CloseReason.WORKER)
            return
        if answer and verdict in (Verdict.WRITE, Verdict.WRITECLOSE):
            connection.send_paced(answer)
        if verdict.closes:
            connection.end(CloseReason.APP)

    def _complain(self, event: str, problem: WorkerError) -> None:
        self._log.warning(
            "event_failed",
            tcp_event=event,
            peer=self._connection.peer,
            uuid=self._context.uuid,
            kind=type(problem).__name__,
            problem=str(problem),
        )
