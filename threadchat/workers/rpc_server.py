"""
Goridge RPC on a unix socket: how workers, and ``threadchat workers``, call the daemon.

Anybody who may open the socket's file may call. It is the owner's alone (mode 0600). There is one thread
``rpc-accept``, and one thread ``rpc-client`` per client: workers are few, and a slow caller must not keep the others
waiting.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import stat
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from threadchat.base.errors import FrameError, RpcError, WorkerError
from threadchat.base.log import Log
from threadchat.wire.goridge import Frame, FrameDecoder
from threadchat.workers.private_socket import listen_privately
from threadchat.workers.rpc import READ_BYTES, Call, encode_call, read_call

#: A method takes its one argument, decoded, and returns what can be encoded as JSON.
Method = Callable[[Any], Any]

#: The largest call that is read: more than any broadcast that makes sense.
MAX_CALL_BYTES = 64 * 1024 * 1024


class RpcServer:
    """Serves *methods* at *path* from its construction to ``close``."""

    def __init__(self, path: str, methods: Mapping[str, Method], log: Log) -> None:
        self.address = f"unix://{path}"
        self._path = path
        self._methods = methods
        self._log = log
        self._listener = listen_privately(path)
        self._lock = threading.Lock()
        self._clients: dict[socket.socket, threading.Thread] = {}
        self._closing = False
        self._thread = threading.Thread(target=self._accept, name="rpc-accept", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Disconnect everybody and end the threads."""
        with self._lock:
            self._closing = True
            clients = dict(self._clients)
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RD)
        self._thread.join()
        self._listener.close()
        Path(self._path).unlink(missing_ok=True)
        for client, thread in clients.items():
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                if self._closing:
                    return
                continue
            thread = threading.Thread(target=self._serve, args=(client,), name="rpc-client", daemon=True)
            with self._lock:
                if self._closing:
                    client.close()
                    return
                self._clients[client] = thread
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        decoder = FrameDecoder(MAX_CALL_BYTES)
        with contextlib.suppress(OSError, FrameError, RpcError):
            while data := client.recv(READ_BYTES):
                for frame in decoder.feed(data):
                    client.sendall(encode_call(self._answer(frame)))
        with self._lock:
            self._clients.pop(client, None)
        client.close()

    def _answer(self, frame: Frame) -> Call:
        call = read_call(frame)
        method = self._methods.get(call.method)
        if method is None:
            return Call(call.sequence, call.method, b"there is no such method", failed=True)
        try:
            result = json.dumps(method(json.loads(call.argument))).encode()
        except (RpcError, WorkerError, ValueError, TypeError, KeyError) as problem:
            self._log.warning("rpc_failed", method=call.method, problem=str(problem))
            return Call(call.sequence, call.method, str(problem).encode(), failed=True)
        return Call(call.sequence, call.method, result)


def runtime_directory() -> Path:
    """
    Return the directory for sockets whose path nobody has chosen; make it if there is none.

    It is this user's alone: if not, RpcError is raised. A directory that systemd gives is taken as it is.
    """
    if chosen := os.environ.get("RUNTIME_DIRECTORY"):  # systemd's
        return Path(chosen.split(":")[0])
    directory = _user_directory()
    directory.mkdir(mode=0o700, exist_ok=True)
    status = directory.lstat()
    if status.st_uid != os.geteuid() or status.st_mode & 0o077 or not stat.S_ISDIR(status.st_mode):
        raise RpcError(f"{directory} is not a directory for this user alone: set rpc.listen")
    return directory


def find_sockets() -> list[str]:
    """Look for RPC sockets in the usual places; return the addresses of those that this user can connect to."""
    found = []
    for directory in (Path("/run/threadchat"), _user_directory()):
        for path in sorted(directory.glob("rpc-*.sock")):
            with socket.socket(socket.AF_UNIX) as probe:
                if probe.connect_ex(str(path)) == 0:
                    found.append(f"unix://{path}")
    return found


def _user_directory() -> Path:
    base = os.environ.get("XDG_RUNTIME_DIR")
    return Path(base, "threadchat") if base else Path(f"/tmp/threadchat-{os.geteuid()}")  # noqa: S108
