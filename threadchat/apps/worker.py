"""
The worker app passes a connection's events to the pool, and the workers' verdicts back to the connection.

It keeps RoadRunner's contract more strictly than RoadRunner does. Each message is one event. CLOSE comes once and
last, if a worker was told of CONNECTED. A connection has one event at a time. The next event waits until the verdict
has come and the client has taken the answer. This slows a client down to what it and the pool can do.
What workers can do over RPC is in worker_connections.py.
"""

from __future__ import annotations

import threading
import time
import uuid

from threadchat.apps.worker_connections import WorkerConnection, WorkerConnections
from threadchat.base.errors import CloseReason, NoFreeWorker, Unanswered, WireError, WorkerError
from threadchat.base.log import Log
from threadchat.config.sections import Server
from threadchat.net.connection import Connection
from threadchat.net.handler import App
from threadchat.wire.delimiter import DelimiterDecoder
from threadchat.wire.goridge import encode_with_context
from threadchat.workers.job import Job, Outcome
from threadchat.workers.payload import CLOSE, WRITE, WRITECLOSE, EventContext
from threadchat.workers.pool import Pool


class WorkerApp(App):
    """
    One client of the workers.

    ``_settled`` is held while an event waits for a worker or is with one. The thread that brings the answer acts on
    it and releases the lock. Meanwhile the connection's own thread can read on.
    """

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
        self._settled = threading.Lock()
        self._job: Job | None = None
        self._event = "CONNECTED"
        self._announced = False  # whether a worker knows of this connection
        self._idle_seconds = server.limits.idle_timeout
        self._heard_at = time.monotonic()
        #: Seconds that an event may wait for a worker, or that a client may be silent: the smaller of the two.
        self.patience = min(pool.patience, self._idle_seconds or pool.patience)

    def connected(self) -> None:
        """Announce the connection to a worker, or end it if no worker can be expected."""
        if not self._pool.available:
            self._connection.end(CloseReason.WORKER)
            return
        self._announced = True
        self._connections.add(self._context.uuid, WorkerConnection(self._connection))
        self._tell(self._context.connected, b"")

    def received(self, data: bytes) -> None:
        """Pass on each message that *data* completes, unless the connection has been ended meanwhile."""
        if self._idle_seconds:
            self._heard_at = time.monotonic()
        try:
            messages = self._decoder.feed(data)
        except WireError as problem:
            self._log.warning("message_refused", peer=self._connection.peer, problem=str(problem))
            self._connection.end(CloseReason.PROTOCOL)
            return
        for message in messages:
            if self._settled.locked():
                self._settle()
            self._connection.wait_sent()
            if self._connection.reason is not None:
                return
            self._event = "DATA"
            self._tell(self._context.data, message)

    def quiet(self) -> None:
        """Give up waiting for a worker, or for the client."""
        job = self._job
        if self._settled.locked() and job:
            self._pool.withdraw(job)
        elif self._idle_seconds and time.monotonic() - self._heard_at >= self._idle_seconds:
            self._connection.end(CloseReason.IDLE)

    def closed(self, reason: CloseReason) -> None:
        """Tell a worker of the end. If the peer ended properly, pass on its unfinished message first."""
        self._settle()
        self._connections.discard(self._context.uuid)
        if reason is CloseReason.EOF and (rest := self._decoder.flush()):
            self._tell(self._context.data, rest)
            self._settle()
        self._connection.hang_up()  # the client need not wait for what a worker does at CLOSE
        if self._announced:
            self._event = "CLOSE"
            try:
                self._pool.exec(encode_with_context(self._context.close, b""), closing=True)
            except Unanswered:
                pass  # CLOSE needs no answer: the example in RoadRunner's documentation gives none
            except WorkerError as problem:
                self._complain(problem)

    def _tell(self, context: bytes, body: bytes) -> None:
        """Have a worker handle one event, now or later."""
        self._settled.acquire()
        try:
            self._job = self._pool.submit(encode_with_context(context, body), self._answered)
        except WorkerError as problem:
            self._answered(problem)

    def _settle(self) -> None:
        """Wait until the last event has been answered, or has waited for a worker too long."""
        while not self._settled.acquire(timeout=self._pool.patience):
            if self._job:
                self._pool.withdraw(self._job)
        self._settled.release()

    def _answered(self, outcome: Outcome) -> None:
        """Do what a worker says, or end the connection if none has answered. Any thread may call."""
        connection = self._connection
        if isinstance(outcome, WorkerError):
            if self._event == "CONNECTED" and isinstance(outcome, NoFreeWorker):
                self._announced = False
            self._complain(outcome)
            connection.close(CloseReason.WORKER)
        else:
            verdict, answer = outcome
            if answer and (verdict is WRITE or verdict is WRITECLOSE):
                connection.answer(answer)
            if verdict is CLOSE or verdict is WRITECLOSE:
                connection.close(CloseReason.APP)
        self._settled.release()

    def _complain(self, problem: WorkerError) -> None:
        self._log.warning(
            "event_failed",
            tcp_event=self._event,
            peer=self._connection.peer,
            uuid=self._context.uuid,
            kind=type(problem).__name__,
            problem=str(problem),
        )
