"""
The line between the daemon and one worker: frames over a pair of pipes, or over a socket.

A relay belongs to the thread that holds its worker, and has no lock. Only :meth:`Relay.recall` may be called by other
threads. :meth:`Relay.close` ends it. If the worker dies, the thread that reads gets :exc:`WorkerCrashed`.
"""

from __future__ import annotations

import fcntl
import os
import select
import socket
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from select import PIPE_BUF

from threadchat.base.errors import ExecTimeout, WorkerCrashed
from threadchat.wire.goridge import Frame, FrameDecoder, excerpt

#: Room for most answers, and little enough to be allocated cheaply for each.
READ_BYTES = 16 * 1024


class Relay:
    """
    Frames over two descriptors, which it owns.

    The read end is in blocking mode: a read that blocks needs no poll before it, which would be a second system call.
    *write* takes what fits without waiting and returns how much that was. It raises BlockingIOError if nothing fits.
    """

    def __init__(
        self,
        read_fd: int,
        write_fd: int,
        write: Callable[[bytes | memoryview], int],
        before_read: Callable[[], None] | None = None,
    ) -> None:
        self._before_read = before_read
        self._read_fd = read_fd
        self._write_fd = write_fd
        self._write = write
        self._decoder = FrameDecoder()
        self._frames: deque[Frame] = deque()  # read, but not yet asked for
        self._readable = select.poll()
        self._readable.register(read_fd, select.POLLIN)

    def send(self, frame: bytes, timeout: float | None = None) -> None:
        """Write all of *frame*. Raises WorkerCrashed, and ExecTimeout after *timeout* seconds."""
        try:
            sent = self._write(frame)
        except BlockingIOError:
            sent = 0
        except OSError as problem:
            raise WorkerCrashed(_closed(problem)) from None
        if sent < len(frame):
            self._send_rest(memoryview(frame)[sent:], timeout)

    def send_now(self, frame: bytes) -> bool:
        """Write all of *frame*, of at most PIPE_BUF bytes. False: that was impossible, and nothing was written."""
        raise NotImplementedError

    def recall(self) -> bytes:
        """Take back the first frame of which the other side has read nothing; b"" if there is none."""
        return b""

    def receive(self, timeout: float | None = None) -> Frame:
        """Return the next frame. Raises WorkerCrashed, FrameError; ExecTimeout after *timeout* seconds."""
        if self._frames:
            return self._frames.popleft()
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            if self._before_read:
                self._before_read()
            if deadline is not None and not _wait(self._readable, deadline):
                raise ExecTimeout("no answer in time")
            try:
                data = os.read(self._read_fd, READ_BYTES)
            except OSError as problem:
                raise WorkerCrashed(_closed(problem)) from None
            if not data:
                raise WorkerCrashed("it closed its relay")
            if frames := self._decoder.feed(data):
                if len(frames) > 1:
                    self._frames.extend(frames[1:])
                return frames[0]

    @property
    def surplus(self) -> bool:
        """Whether more has been read than the frames that were asked for."""
        return bool(self._frames or self._decoder.pending_bytes)

    def next_frame(self) -> Frame | None:
        """Return the next frame if it has been read already."""
        return self._frames.popleft() if self._frames else None

    def readable(self) -> bool:
        """Whether there is something to read; the end counts, too."""
        return bool(self._readable.poll(0))

    def stray(self) -> str:
        """Read what is there although nobody asked for it, and return a sentence about it."""
        try:
            data = os.read(self._read_fd, READ_BYTES)
        except OSError:
            data = b""
        return f"it sent what nobody asked for: {excerpt(data)}" if data else "it had died"

    def drain(self, exit_fd: int, seconds: float) -> None:
        """Read and discard until the worker closes its side or *exit_fd*, its pidfd, says it has exited."""
        deadline = time.monotonic() + seconds
        poll = select.poll()
        poll.register(self._read_fd, select.POLLIN)
        poll.register(exit_fd, select.POLLIN)
        while _wait(poll, deadline):
            try:
                if not self.readable() or not os.read(self._read_fd, READ_BYTES):
                    return
            except OSError:
                return

    def close(self) -> None:
        """Close the descriptors."""
        os.close(self._read_fd)
        if self._write_fd != self._read_fd:
            os.close(self._write_fd)

    def _send_rest(self, rest: memoryview, timeout: float | None) -> None:
        deadline = None if timeout is None else time.monotonic() + timeout
        writable = select.poll()
        writable.register(self._write_fd, select.POLLOUT)
        if self._read_fd != self._write_fd:
            writable.register(self._read_fd, 0)  # for its end: where frames can be recalled, a write does not fail
        while rest:
            if not (ready := _wait(writable, deadline)):
                raise ExecTimeout("it did not read the event in time")
            if (self._read_fd, select.POLLHUP) in ready:
                raise WorkerCrashed("it closed its relay")
            try:
                rest = rest[self._write(rest) :]
            except BlockingIOError:  # there is room, but not enough
                continue
            except OSError as problem:
                raise WorkerCrashed(_closed(problem)) from None


class PipeRelay(Relay):
    """Frames over two pipes. The write end does not block; the worker's own end of it does."""

    def __init__(self, read_fd: int, write_fd: int) -> None:
        os.set_blocking(write_fd, False)
        super().__init__(read_fd, write_fd, partial(os.write, write_fd))
        self._recall_fd: int | None = None

    def make_recallable(self) -> bool:
        """
        From now on, let each frame of at most PIPE_BUF bytes be read alone, and be taken back until it is read.

        This is the packet mode of pipe(2). The worker must read at least PIPE_BUF bytes at a time, or it loses the rest
        of a frame. Returns whether packet mode can be had here. If so, sending to a dead worker no longer fails.
        """
        try:
            recall_fd = os.open(f"/proc/self/fd/{self._write_fd}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:  # no /proc
            return False
        try:
            flags = fcntl.fcntl(self._write_fd, fcntl.F_GETFL)
            fcntl.fcntl(self._write_fd, fcntl.F_SETFL, flags | os.O_DIRECT)
        except OSError:  # not every system that calls itself Linux has it
            os.close(recall_fd)
            return False
        self._recall_fd = recall_fd
        return True

    def send_now(self, frame: bytes) -> bool:
        """Write all of *frame*, of at most PIPE_BUF bytes. False: that was impossible, and nothing was written."""
        try:
            self._write(frame)
        except OSError:  # no room; or the worker has gone, which the thread that reads will see
            return False
        return True

    def recall(self) -> bytes:
        """Take back the first frame of which the other side has read nothing; b"" if there is none."""
        if self._recall_fd is None:
            return b""
        try:
            return os.read(self._recall_fd, PIPE_BUF)
        except BlockingIOError:
            return b""

    def close(self) -> None:
        """Close the descriptors."""
        super().close()
        if self._recall_fd is not None:
            os.close(self._recall_fd)
            self._recall_fd = None


class SocketRelay(Relay):
    """Frames over one connected stream socket, which it takes over and puts into blocking mode."""

    def __init__(self, connected: socket.socket) -> None:
        connected.setblocking(True)
        self._socket = connected
        fd = connected.fileno()
        before_read = None if connected.family == socket.AF_UNIX else self._acknowledge_at_once
        super().__init__(fd, fd, lambda data: connected.send(data, socket.MSG_DONTWAIT), before_read)

    def _acknowledge_at_once(self) -> None:
        """
        Have what comes next acknowledged at once. This does not last: tcp(7).

        The PHP library writes its answer to an event and its answer to our question one after the other. Its kernel
        holds the second one back until the first has been acknowledged (Nagle), which costs 40 ms an event.
        """
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def _wait(poll: select.poll, deadline: float | None) -> list[tuple[int, int]]:
    return poll.poll(None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000)


def _closed(problem: OSError) -> str:
    return f"its relay is closed: {problem.strerror}"
