"""
What a worker imports: it gets one connection event after another, and answers each exactly once.

    worker = TcpWorker()
    for request in worker:
        if request.event is TcpEvent.DATA:
            worker.respond(b"you said " + request.body)
        else:
            worker.read()

The same program runs under threadchat and under RoadRunner, over pipes or sockets. It must use one thread only.
A connection's next event may come to another process. So what is remembered of a connection belongs in a shared
store, under the connection's ``uuid``.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

from threadchat.wire import goridge
from threadchat.wire.goridge import Frame, FrameDecoder
from threadchat.workers.payload import REPLACE_ME, SDK_MARK, TcpEvent
from threadchat.workers.rpc import RpcClient

__all__ = ["Request", "RpcClient", "TcpEvent", "TcpWorker"]

_READ_BYTES = 65536
_log = logging.getLogger(__name__)


class Request(NamedTuple):
    """
    An event. ``remote_addr`` is ``ip:port``; ``body`` is what has been sent, for DATA only.

    Under threadchat ``body`` is one message with its delimiter. Under RoadRunner it may be several, so a portable
    worker looks for lines in it. (A message that a client left unfinished comes last, without a delimiter. From
    RoadRunner it comes after CLOSE.)
    """

    event: TcpEvent
    remote_addr: str
    server: str
    uuid: str
    body: bytes


class TcpWorker:
    """
    The worker's end of its relay, which *relay* or the environment names.

    From here on, the frames have descriptors of their own. Standard output goes to standard error, so that a stray
    ``print`` becomes a line in the daemon's log. Standard input is empty. Anything printed earlier breaks the handshake
    over pipes, so make this object first.
    """

    def __init__(self, relay: str | None = None) -> None:
        self._relay = relay or os.environ.get("RR_RELAY") or "pipes"
        self._read_fd, self._write_fd = _take_standard_streams()
        self._connected = False
        self._decoder = FrameDecoder()
        self._frames: list[Frame] = []
        self._open: Request | None = None  # the event that has no answer yet
        self._number = 0  # how many events have been read
        self._numbers = False  # whether the daemon wants to know which event an answer belongs to
        self._stopping = False
        self._rpc: RpcClient | None = None

    def wait_request(self) -> Request | None:
        """
        Return the next event; None: the worker shall end.

        If the event before has no answer, it gets one now: CLOSE, which needs none, gets :meth:`read`; any other event
        gets an error, which is logged.
        """
        if self._open:
            if self._open.event is TcpEvent.CLOSE:
                self.read()
            else:
                _log.error("%s of connection %s was not answered", self._open.event.value, self._open.uuid)
                self.error("the worker gave no answer")
        if not self._connected:
            self._connect()
        while (frame := self._next_frame()) is not None:
            if frame.flags & goridge.CONTROL:
                command = json.loads(frame.payload)
                if command.get("stop"):
                    return None
                if command.get("pid"):
                    me = json.dumps({"pid": os.getpid(), SDK_MARK: True}).encode()
                    self._send(goridge.encode(me, flags=goridge.CONTROL))
                elif command.get("number"):
                    self._numbers = True
            elif frame.options:
                self._number = (self._number + 1) & 0xFFFFFFFF  # an option has 32 bits: they last two days
                if self._stopping:
                    self._send(self._verdict(REPLACE_ME))
                    continue
                size = frame.options[0]
                self._open = Request(*_read_context(frame.payload[:size]), frame.payload[size:])
                return self._open
        return None

    def __iter__(self) -> Iterator[Request]:
        """Iterate over the events until the worker shall end."""
        return iter(self.wait_request, None)

    def serve(self, handle: Callable[[Request], None]) -> None:
        """Call *handle* for each event. If it raises an exception, that is logged, and the event gets an error."""
        for request in self:
            try:
                handle(request)
            except Exception as problem:  # noqa: BLE001, one event must not cost the worker
                _log.exception("%s of connection %s failed", request.event.value, request.uuid)
                if self._open:
                    self.error(f"{type(problem).__name__}: {problem}")

    def respond(self, body: bytes | str, *, close: bool = False) -> None:
        """Answer: send *body* to the client, then go on, or *close* the connection."""
        data = body.encode() if isinstance(body, str) else body
        self._answer(self._verdict(b"WRITECLOSE" if close else b"WRITE", data))

    def read(self) -> None:
        """Answer: send nothing, go on reading."""
        self._answer(self._verdict(b"CONTINUE"))

    def close(self) -> None:
        """Answer: close the connection."""
        self._answer(self._verdict(b"CLOSE"))

    def error(self, message: str) -> None:
        """Answer: the event failed. The daemon logs *message* and closes the connection."""
        self._answer(self._numbered(message.encode("utf-8", "replace"), (), goridge.ERROR))

    def stop(self) -> None:
        """Ask to be replaced. The current event, if it has no answer yet, is given to another worker."""
        self._stopping = True
        if self._open:
            self._answer(self._verdict(REPLACE_ME))

    @property
    def rpc(self) -> RpcClient:
        """
        A client of the daemon, to reach connections other than the one that is being answered.

        RoadRunner knows only ``close_connection``. Raises RuntimeError if the daemon takes no calls, OSError if it
        cannot be reached. If this client loses the daemon, the next use of this property makes a new client.
        """
        if self._rpc is None or self._rpc.closed:
            address = os.environ.get("RR_RPC")
            if not address:
                raise RuntimeError("the daemon takes no calls: RR_RPC is not set")
            self._rpc = RpcClient(address)
        return self._rpc

    def _answer(self, frame: bytes) -> None:
        """Send the one answer to the current event. Raises RuntimeError for a second one."""
        if self._open is None:
            raise RuntimeError("this event has been answered: each event has exactly one answer")
        self._open = None
        self._send(frame)

    def _verdict(self, context: bytes, body: bytes = b"") -> bytes:
        return self._numbered(context + body, (len(context),))

    def _numbered(self, payload: bytes, options: tuple[int, ...], flags: int = 0) -> bytes:
        """Return a frame, with the number of the event as its last option if the daemon wants to know it."""
        return goridge.encode(payload, (*options, self._number) if self._numbers else options, flags)

    def _connect(self) -> None:
        """Connect to a socket relay. It is not done earlier, as RoadRunner gives up if it gets no answer at once."""
        self._connected = True
        parts = urlsplit(self._relay)
        if parts.scheme == "unix":
            relay = socket.socket(socket.AF_UNIX)
            relay.connect(parts.netloc + parts.path)
        elif parts.scheme == "tcp":
            relay = socket.create_connection((parts.hostname, parts.port))
            relay.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        else:
            return
        os.close(self._read_fd)
        os.close(self._write_fd)
        self._read_fd = self._write_fd = relay.detach()

    def _send(self, frame: bytes) -> None:
        sent = os.write(self._write_fd, frame)
        while sent < len(frame):
            sent += os.write(self._write_fd, frame[sent:])

    def _next_frame(self) -> Frame | None:
        while not self._frames:
            data = os.read(self._read_fd, _READ_BYTES)
            if not data:
                return None
            self._frames = self._decoder.feed(data)
        return self._frames.pop(0)


@lru_cache(4096)  # all messages of a connection have the same context, byte by byte
def _read_context(context: bytes) -> tuple[TcpEvent, str, str, str]:
    fields = json.loads(context)
    return TcpEvent(fields["event"]), fields["remote_addr"], fields["server"], fields["uuid"]


def _take_standard_streams() -> tuple[int, int]:
    """Return what standard input and output were, as descriptors that children do not inherit. (See TcpWorker.)"""
    read_fd, write_fd = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    sys.stdout.flush()  # what was printed before goes there too, unless PYTHONUNBUFFERED has sent it already
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(line_buffering=True)
    return read_fd, write_fd
