"""
Where log lines go: standard error, which may be full, stuck or gone.

A thread writes its line itself, at once: a crash loses no line. But no thread waits for the reader of the log, and no
write ever raises. A line that cannot be written is counted. The next line that can be written comes after a report of
how many are missing.

What keeps a write from waiting depends on what standard error is. A pipe or a terminal is opened once more, as
non-blocking. (On the descriptor we were given, the flag would hold for everybody who shares it, a shell for instance.)
A socket (systemd's journal) takes the flag with each call. For files and devices there is no such way: a write to them
may wait.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import socket
import stat
import threading
from collections.abc import Callable

#: How much a pipe is to hold while its reader is busy: a few thousand lines. Linux allows this much to everybody.
_PIPE_BYTES = 1 << 20

_REOPEN = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class LogSink:
    """
    Takes lines for one descriptor; any thread may call it.

    *descriptor* is None where there is no standard error: lines then go nowhere, and do not count as lost. *report*
    returns the line that tells how many lines are missing.
    """

    def __init__(self, descriptor: int | None, report: Callable[[int], str]) -> None:
        self._report = report
        self._lost = 0
        self._rest = b""  # what is left to write of a line that was begun
        # A destructor that runs in the middle of a write may log, too, and must not wait for its own thread.
        self._lock = threading.RLock()
        self._opened = contextlib.ExitStack()
        self._descriptor, self._write = self._open(descriptor)

    @property
    def lost(self) -> int:
        """How many lines are missing that the log has not reported yet."""
        return self._lost

    def fileno(self) -> int | None:
        """Return the descriptor, for code that writes to it directly, as faulthandler does."""
        return self._descriptor

    def write(self, line: str) -> None:
        """Write *line*, or count it as lost."""
        data = _encode(line)
        with self._lock:
            if self._lost:
                data = _encode(self._report(self._lost)) + data
            self._lost = 0 if self._put(data) else self._lost + 1

    #: What structlog calls, by level.
    debug = info = warning = error = critical = write

    def close(self) -> None:
        """Close what was opened here. The descriptor that was passed in stays open."""
        self._opened.close()

    def _put(self, data: bytes) -> bool:
        """Write *data*; return whether at least its beginning is written. Its rest then comes before the next line."""
        if not self._finish():
            return False
        self._rest = data
        if not self._finish() and len(self._rest) == len(data):
            self._rest = b""
            return False
        return True

    def _finish(self) -> bool:
        """Write the rest of what was begun, as far as possible; return whether all of it is written."""
        try:
            while self._rest:
                self._rest = self._rest[self._write(self._rest) :]
        except OSError:
            return False
        return True

    def _open(self, fd: int | None) -> tuple[int | None, Callable[[bytes], int]]:
        if fd is None:
            return None, len
        mode = os.fstat(fd).st_mode
        if stat.S_ISSOCK(mode):
            sock = self._opened.enter_context(socket.socket(fileno=os.dup(fd)))
            return fd, lambda data: sock.send(data, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        if not stat.S_ISFIFO(mode) and not os.isatty(fd):
            return fd, lambda data: os.write(fd, data)
        with contextlib.suppress(OSError):  # a terminal has no size; a user with many pipes gets no more
            fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        try:
            own = os.open(f"/proc/self/fd/{fd}", _REOPEN)
        except OSError:  # it belongs to somebody else, or there is no /proc
            return fd, lambda data: _write_if_ready(fd, data)
        self._opened.callback(os.close, own)
        return own, lambda data: os.write(own, data)


def _encode(line: str) -> bytes:
    return line.encode("utf-8", "backslashreplace") + b"\n"


def _write_if_ready(fd: int, data: bytes) -> int:
    """
    Write what *fd* has room for.

    It can still wait if another process that shares the pipe is quicker, or if a terminal has room for only a part.
    """
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    if not poll.poll(0):
        raise BlockingIOError
    return os.write(fd, data[: select.PIPE_BUF])  # a pipe that has room at all has room for this much, pipe(7)
