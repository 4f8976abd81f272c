"""
Goridge RPC: a method's name, its one argument and its result, as JSON, in frames with a sequence number.

This module has the form of calls and answers, and the client that workers and ``threadchat workers`` use. The server
is in rpc_server.py. Only one thread at a time may use a client.
"""

from __future__ import annotations

import base64
import itertools
import json
import socket
from typing import Any, NamedTuple

from threadchat.base.addresses import UnixAddress, parse_address
from threadchat.base.errors import RpcError
from threadchat.wire import goridge
from threadchat.wire.goridge import Frame, FrameDecoder

READ_BYTES = 65536


class Call(NamedTuple):
    """A call, or an answer to one; ``argument`` is its JSON, undecoded."""

    sequence: int
    method: str
    argument: bytes
    failed: bool = False


def encode_call(call: Call) -> bytes:
    """Return *call* as a frame: two options, the sequence number and the length of the method's name."""
    method = call.method.encode()
    flags = goridge.JSON | (goridge.ERROR if call.failed else 0)
    return goridge.encode(method + call.argument, (call.sequence, len(method)), flags)


def read_call(frame: Frame) -> Call:
    """Return the call in *frame*. Raises RpcError if the frame is no call, or has no JSON in it."""
    if len(frame.options) != 2 or not frame.flags & goridge.JSON:
        raise RpcError("not a Goridge RPC frame with JSON in it")
    sequence, length = frame.options
    method, argument = frame.payload[:length], frame.payload[length:]
    return Call(sequence, method.decode("utf-8", "replace"), argument, bool(frame.flags & goridge.ERROR))


class RpcClient:
    """A connection to *address* (``unix:///PATH`` or ``tcp://HOST:PORT``). Raises OSError if nobody listens there."""

    def __init__(self, address: str) -> None:
        where = parse_address(address)
        if isinstance(where, UnixAddress):
            self._socket = socket.socket(socket.AF_UNIX)
            try:
                self._socket.connect(where.path)
            except OSError:
                self._socket.close()
                raise
        else:
            self._socket = socket.create_connection((where.host or "127.0.0.1", where.port))
        self._decoder = FrameDecoder()
        self._sequence = itertools.count(1)

    @property
    def closed(self) -> bool:
        """Whether it is of no more use: the daemon has gone, or :meth:`close` was called."""
        return self._socket.fileno() < 0

    def call(self, method: str, argument: Any) -> Any:
        """Call *method* and return its result. Raises RpcError if it failed, OSError if the daemon has gone."""
        try:
            answer = self._exchange(Call(next(self._sequence), method, json.dumps(argument).encode()))
        except OSError:
            self.close()
            raise
        if answer.failed:
            raise RpcError(answer.argument.decode("utf-8", "replace"))
        return json.loads(answer.argument)

    def close_connection(self, uuid: str) -> None:
        """Close the connection *uuid*, if there is one (``tcp.Close``)."""
        self.call("tcp.Close", uuid)

    def write(self, uuid: str, data: bytes) -> bool:
        """Send *data* to the connection *uuid*; return whether there is one (``tcp.Write``)."""
        return bool(self.call("tcp.Write", {"uuid": uuid, "data": base64.b64encode(data).decode()}))

    def broadcast(self, server: str, data: bytes) -> int:
        """Send *data* to all connections of *server*; return how many those are (``tcp.Broadcast``)."""
        return int(self.call("tcp.Broadcast", {"server": server, "data": base64.b64encode(data).decode()}))

    def close(self) -> None:
        """Disconnect."""
        self._socket.close()

    def _exchange(self, call: Call) -> Call:
        """Send *call* and return its answer. Answers to earlier calls, which were given up, are dropped."""
        self._socket.sendall(encode_call(call))
        while True:
            for frame in self._receive():
                answer = read_call(frame)
                if answer.sequence == call.sequence:
                    return answer

    def _receive(self) -> list[Frame]:
        data = self._socket.recv(READ_BYTES)
        if not data:
            raise ConnectionError("the daemon has closed the RPC connection")
        return self._decoder.feed(data)
