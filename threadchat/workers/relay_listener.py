"""
Where workers connect when their relay is a socket (``server.relay = "unix:///…"`` or ``"tcp://…"``).

One thread, ``relay-accept``, greets each connection, reads which process it is from, and hands the relay to the thread
that started that process. A stranger, or a process that no thread waits for, is disconnected.
"""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

from threadchat.base.addresses import UnixAddress, parse_address
from threadchat.base.errors import FrameError, ListenError, WorkerError, WorkerStartError
from threadchat.wire.goridge import Frame, FrameDecoder
from threadchat.workers.payload import pid_frame, read_pid
from threadchat.workers.private_socket import listen_privately
from threadchat.workers.relay import READ_BYTES, SocketRelay

#: How often a thread that waits for its worker checks that the worker is still alive, in seconds.
LOOK_SECONDS = 0.05


class RelayListener:
    """Listens on *address* at once, or raises ListenError. ``wait`` may be called by any thread."""

    def __init__(self, address: str) -> None:
        self._socket = _listen(address)
        self._path = self._socket.getsockname() if self._socket.family == socket.AF_UNIX else None
        self._arrived = threading.Condition()
        self._expected: set[int] = set()
        self._relays: dict[int, tuple[SocketRelay, Frame]] = {}
        self._greeted: dict[int, tuple[socket.socket, FrameDecoder]] = {}
        self._epoll = select.epoll()
        self._wake_read, self._wake_write = os.pipe()
        self._epoll.register(self._socket, select.EPOLLIN)
        self._epoll.register(self._wake_read, select.EPOLLIN)
        self._thread = threading.Thread(target=self._run, name="relay-accept", daemon=True)
        self._thread.start()

    def wait(self, pid: int, timeout: float, alive: Callable[[], bool]) -> tuple[SocketRelay, Frame]:
        """Wait for process *pid* to connect and say who it is; return its relay, and the frame with its answer."""
        deadline = time.monotonic() + timeout
        with self._arrived:
            self._expected.add(pid)
            try:
                while pid not in self._relays:
                    if not alive():
                        raise WorkerStartError("it exited before it connected")
                    if time.monotonic() > deadline:
                        raise WorkerStartError(f"it did not connect within {timeout:g} s (allocate_timeout)")
                    self._arrived.wait(LOOK_SECONDS)
            finally:
                self._expected.discard(pid)
            return self._relays.pop(pid)

    def close(self) -> None:
        """Stop listening, and end the thread."""
        os.close(self._wake_write)
        self._thread.join()

    def _run(self) -> None:
        while True:
            for fd, _ in self._epoll.poll():
                if fd == self._wake_read:
                    return self._clean_up()
                if fd == self._socket.fileno():
                    self._greet()
                else:
                    self._recognise(fd)

    def _greet(self) -> None:
        try:
            connected, _ = self._socket.accept()
        except OSError:
            return
        try:
            connected.setblocking(False)
            connected.sendall(pid_frame(os.getpid(), asks=True))
        except OSError:  # it has gone already
            connected.close()
            return
        self._greeted[connected.fileno()] = connected, FrameDecoder(max_payload_bytes=READ_BYTES)
        self._epoll.register(connected, select.EPOLLIN)

    def _recognise(self, fd: int) -> None:
        connected, decoder = self._greeted[fd]
        try:
            data = connected.recv(READ_BYTES)
            frames = decoder.feed(data)
            if data and not frames:
                return
            pid = read_pid(frames[0]) if len(frames) == 1 and not decoder.pending_bytes else 0
        except (OSError, FrameError, WorkerError):
            pid = 0
        del self._greeted[fd]
        self._epoll.unregister(fd)
        with self._arrived:
            if pid in self._expected and pid not in self._relays:
                self._relays[pid] = SocketRelay(connected), frames[0]
                self._arrived.notify_all()
                return
        connected.close()

    def _clean_up(self) -> None:
        for connected, _ in self._greeted.values():
            connected.close()
        for relay, _ in self._relays.values():
            relay.close()
        self._epoll.close()
        self._socket.close()
        os.close(self._wake_read)
        if self._path:
            Path(self._path).unlink(missing_ok=True)


def _listen(address: str) -> socket.socket:
    where = parse_address(address)
    if isinstance(where, UnixAddress):
        return listen_privately(where.path)
    try:
        return socket.create_server((where.host or "127.0.0.1", where.port), backlog=socket.SOMAXCONN)
    except OSError as problem:
        raise ListenError(f"cannot listen on {address} for workers: {problem.strerror}") from None
