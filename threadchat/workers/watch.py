"""
What workers do on their own: write to standard error, and exit.

One thread, ``worker-log``, serves all workers of a pool. Each line of a worker's standard error becomes one log event
with its pid. An exit calls back, so the crash of an idle worker is noticed at once. Any thread may call ``add_stderr``
and ``add_exit``. Callbacks run in the thread ``worker-log`` and must not block.
"""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from threadchat.base.log import Log
from threadchat.wire.text import decode

READ_BYTES = 65536
#: A line that is longer is logged in pieces.
MAX_LINE_BYTES = 16384


@dataclass(slots=True)
class _Stderr:
    pid: int
    partial: bytearray = field(default_factory=bytearray)


class Watch:
    """Starts its thread at once."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._epoll = select.epoll()
        self._lock = threading.Lock()
        self._watched: dict[int, _Stderr | Callable[[], None]] = {}
        self._wake_read, self._wake_write = os.pipe()
        self._epoll.register(self._wake_read, select.EPOLLIN)
        self._thread = threading.Thread(target=self._run, name="worker-log", daemon=True)
        self._thread.start()

    def add_stderr(self, pid: int, fd: int) -> None:
        """Log the lines that come from *fd*, which this object owns from now on."""
        self._add(fd, _Stderr(pid))

    def add_exit(self, pid: int, exited: Callable[[], None]) -> None:
        """Call *exited*, once, when process *pid*, a child not yet reaped, exits."""
        self._add(os.pidfd_open(pid), exited)

    def close(self) -> None:
        """Log what is still there to read, and end the thread."""
        os.close(self._wake_write)
        self._thread.join()

    def _add(self, fd: int, what: _Stderr | Callable[[], None]) -> None:
        with self._lock:
            self._watched[fd] = what
        self._epoll.register(fd, select.EPOLLIN)

    def _run(self) -> None:
        closing = False
        while not closing:
            # The wake-up is handled last, so that what the workers wrote before it is still logged.
            for fd, _ in self._epoll.poll():
                if fd == self._wake_read:
                    closing = True
                else:
                    self._ready(fd)
        for fd in list(self._watched):
            if isinstance(self._watched[fd], _Stderr):
                os.set_blocking(fd, False)
                self._ready(fd)
        for fd in list(self._watched):
            self._forget(fd)
        self._epoll.close()
        os.close(self._wake_read)

    def _ready(self, fd: int) -> None:
        with self._lock:
            what = self._watched[fd]
        if not isinstance(what, _Stderr):
            self._forget(fd)
            what()
            return
        try:
            data = os.read(fd, READ_BYTES)
        except BlockingIOError:
            return
        *lines, rest = (bytes(what.partial) + data).split(b"\n")
        if rest and (not data or len(rest) > MAX_LINE_BYTES):
            lines.append(rest)
            rest = b""
        what.partial[:] = rest
        for line in filter(None, lines):
            self._log.info("worker_stderr", pid=what.pid, line=decode(line.rstrip(b"\r")))
        if not data:
            self._forget(fd)

    def _forget(self, fd: int) -> None:
        with self._lock:
            del self._watched[fd]
        self._epoll.unregister(fd)
        os.close(fd)
