"""
The line between the daemon and one worker: frames over a pair of pipes, or over a socket.

A relay belongs to whoever holds its worker: one thread at a time; it has no lock. Only :meth:`Relay.recall` may be
called by others. :meth:`Relay.close` ends it; a worker that dies is seen as :exc:`WorkerCrashed` by whoever reads.
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

    def send_now(self, frame: bytes) -> bool:
        """Write all of *frame*, of at most PIPE_BUF bytes, or nothing of it: False."""
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
        if self._read_fd != self._write_fd:
            writable.register(self._read_fd, 0)  # its end: where frames can be recalled, writing does not tell
        while rest:
            if not (ready := _wait(writable, deadline)):
                raise ExecTimeout("it did not read the event in time")
            if (self._read_fd, select.POLLHUP) in ready:
                raise WorkerCrashed("it closed its relay")
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
        self._recall_fd: int | None = None

    def make_recallable(self) -> bool:
        """
        From now on let each frame of at most PIPE_BUF bytes be read alone, and be taken back until it is.

        Only for a worker that reads at least so much at a time, or it would lose the rest: packet mode, pipe(2).
        Returns whether that can be had here. A worker that has died is no longer noticed by what is sent to it.
        """
        try:
            recall_fd = os.open(f"/proc/self/fd/{self._write_fd}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:  # no /proc
            return False
        try:
            flags = fcntl.fcntl(self._write_fd, fcntl.F_GETFL)
            fcntl.fcntl(self._write_fd, fcntl.F_SETFL, flags | os.O_DIRECT)
        except OSError:  # not all that calls itself Linux has it
            os.close(recall_fd)
            return False
        self._recall_fd = recall_fd
        return True

    def send_now(self, frame: bytes) -> bool:
        """Write all of *frame*, of at most PIPE_BUF bytes, or nothing of it: False."""
        try:
            self._write(frame)
        except OSError:  # no room; or the worker has gone, as whoever waits for its answer will see
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


def _wait(poll: select.poll, deadline: float | None) -> list[tuple[int, int]]:
    return poll.poll(None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000)


def _closed(problem: OSError) -> str:
    return f"its relay is closed: {problem.strerror}"
