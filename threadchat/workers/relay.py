"""
The line between the daemon and one worker: frames over a pair of pipes, or over a socket.

A relay belongs to whoever holds its worker: one thread at a time. It has no lock. Only :func:`close` ends
it; a worker that dies is seen as :exc:`WorkerCrashed` by whoever reads.
"""

from __future__ import annotations

import os
import select
import socket
import time
from collections import deque
from collections.abc import Callable
from functools import partial

from threadchat.errors import ExecTimeout, WorkerCrashed
from threadchat.wire.goridge import Frame, FrameDecoder, excerpt

#: More than most answers, and little enough to be allocated cheaply for each.
READ_BYTES = 16 * 1024


class Relay:
    """
    Frames over two descriptors, which it owns.

    The read end is in blocking mode, because a read that blocks is one system call and a poll is another.
    *write* takes what fits without waiting and returns how much that was, or raises BlockingIOError.
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
        """Whether something waits to be read, be it the end."""
        return bool(self._readable.poll(0))

    def stray(self) -> str:
        """Say what it is that waits to be read although nobody asked."""
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
        while rest:
            if not _wait(writable, deadline):
                raise ExecTimeout("it did not read the event in time")
            try:
                rest = rest[self._write(rest) :]
            except BlockingIOError:  # less room than it takes
                continue
            except OSError as problem:
                raise WorkerCrashed(_closed(problem)) from None


class PipeRelay(Relay):
    """Frames over two pipes. The write end does not block; the worker's own end of it does."""

    def __init__(self, read_fd: int, write_fd: int) -> None:
        os.set_blocking(write_fd, False)
        super().__init__(read_fd, write_fd, partial(os.write, write_fd))


class SocketRelay(Relay):
    """Frames over one connected stream socket, in blocking mode, which it takes over."""

    def __init__(self, connected: socket.socket) -> None:
        connected.setblocking(True)
        self._socket = connected
        fd = connected.fileno()
        before_read = None if connected.family == socket.AF_UNIX else self._acknowledge_at_once
        super().__init__(fd, fd, lambda data: connected.send(data, socket.MSG_DONTWAIT), before_read)

    def _acknowledge_at_once(self) -> None:
        """
        Have what comes next acknowledged at once; it does not last, tcp(7).

        The PHP library writes its answer to an event and its answer to our question one after the other, and its
        kernel holds the second one back until the first has been acknowledged (Nagle): 40 ms an event.
        """
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def _wait(poll: select.poll, deadline: float | None) -> bool:
    if deadline is None:
        return bool(poll.poll())
    return bool(poll.poll(max(0.0, deadline - time.monotonic()) * 1000))


def _closed(problem: OSError) -> str:
    return f"its relay is closed: {problem.strerror}"
