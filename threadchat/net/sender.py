"""
The sending half of a connection: any thread may send, and no thread waits.

Sending never blocks: what the kernel does not take goes into a bounded queue, which the flusher sends later. A receiver
that takes nothing for too long is cut off, and the reason says so (slow consumer). A receiver whose queue grows over
the limit in bytes is cut off as well. But data that is only *offered* does not go into a full queue: the receiver gets
it later, from somewhere else.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from threadchat.base.errors import CloseReason
from threadchat.net.flusher import Flusher
from threadchat.net.send_queue import SendQueue

if TYPE_CHECKING:
    from threadchat.net.handover import Kept

_DONTWAIT = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL


class Sender:
    """What is sent on one socket, and why the connection ends. The base class of Connection; not used alone."""

    __slots__ = (
        "_allowance_bytes",
        "_broken",
        "_flusher",
        "_is_missing",
        "_kept",
        "_lock",
        "_max_queue_bytes",
        "_on_drained",
        "_queue",
        "_send_timeout",
        "_socket",
        "bytes_out",
        "reason",
    )

    def __init__(self, sock: socket.socket, flusher: Flusher, max_queue_bytes: int, send_timeout: float) -> None:
        self._socket = sock
        self._flusher = flusher
        self._max_queue_bytes = max_queue_bytes
        self._allowance_bytes = 0  # for answers, which may be queued over the limit
        self._send_timeout = send_timeout
        self._lock = threading.Lock()
        self._queue: SendQueue | None = None  # None: the kernel has taken everything
        self._on_drained: Callable[[], None] | None = None
        self._is_missing = False  # something was refused, and has not been sent otherwise: after a crash, it is lost
        self._broken = False  # sending has failed, or is over
        self._kept: Kept | None = None  # not None: a successor will find the connection
        self.reason: CloseReason | None = None
        self.bytes_out = 0

    # Called by any thread -----------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """Send *data*, or queue what the kernel does not take; over the limit, cut the receiver off. Never blocks."""
        while not self.offer(data):
            with self._lock:
                if self._queue is not None:
                    self._enqueue(self._queue, data)
                    return

    def offer(self, data: bytes) -> bool:
        """
        Send *data*, or queue it. Return False, and do nothing, if the queue has no room for it.

        Never blocks, never raises. If the connection is broken, *data* is dropped.
        """
        lock = self._lock
        lock.acquire()  # with a `with`, a delivery would cost a quarter more of Python's time
        try:
            queue = self._queue
            if queue is not None:
                if queue.bytes + len(data) > self._max_queue_bytes:
                    self._is_missing = True
                    return False
                queue.append(data)
            elif not self._broken:
                try:
                    sent = self._socket.send(data, _DONTWAIT)
                except BlockingIOError:
                    sent = 0
                self.bytes_out += sent
                if sent < len(data):
                    self._queue = SendQueue(time.monotonic())
                    self._queue.append(data)
                    self._queue.skip(sent)
                    self._await_room()
        except OSError:
            # The peer is gone. What it said before may still wait to be read, so nothing is shut down.
            self._broken = True
        finally:
            lock.release()
        return True

    def when_drained(self, action: Callable[[], None]) -> bool:
        """
        Have *action* called once, when the kernel has taken all that is queued. It must not block.

        The thread that finds the queue empty calls it. If nothing is queued now, returns False, and never calls it.
        """
        with self._lock:
            if self._queue is None:
                return False
            self._on_drained = action
            return True

    def caught_up(self) -> None:
        """Note that what was refused has been sent since."""
        with self._lock:
            if self._is_missing:
                self._is_missing = False
                if self._kept and self._queue is None:
                    self._kept.caught_up()

    def cork(self) -> None:
        """Hold back what is sent from now on, in order, until :meth:`flush`."""
        with self._lock:
            self._queue = self._queue or SendQueue(time.monotonic())

    def stop_sending(self) -> None:
        """
        Let the peer see the end now, and send nothing more.

        Does nothing if the peer lags behind: it sees the end when the connection's own thread has sent everything.
        """
        with self._lock, contextlib.suppress(OSError):
            if self._queue is None and not self._broken:
                self._broken = True
                self._socket.shutdown(socket.SHUT_WR)

    def answer(self, data: bytes) -> None:
        """
        Send *data* as :meth:`send`, but however long it is: the peer has asked for it.

        The queue has room over its limit for the longest answer, or for as much as the limit itself.
        """
        allowance = max(len(data), self._max_queue_bytes)
        if allowance > self._allowance_bytes:
            with self._lock:
                self._allowance_bytes = max(allowance, self._allowance_bytes)
        self.send(data)

    def end(self, reason: CloseReason) -> None:
        """Note why the connection ends. Its own thread stops reading when it sees the reason. The first reason wins."""
        if self.reason is None:
            self.reason = reason

    def cut(self, reason: CloseReason) -> None:
        """End the connection at once; what is queued is lost."""
        with self._lock:
            self._cut(reason)

    # Called by the connection's own thread ------------------------------------------------------

    def _drain(self, rest: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext) -> None:
        """
        Wait until the kernel has taken what was sent, or the receiver has been cut off.

        *rest* makes a context around each wait. This thread sends nothing inside it.
        """
        if self._queue is None:
            return
        writable = select.poll()
        writable.register(self._socket, select.POLLOUT)
        while self.flush():
            with rest():
                writable.poll(1000)

    # Called by the flusher, and by the connection's own thread ----------------------------------

    def flush(self) -> bool:
        """Send what the kernel will take of the queue; return whether there is more."""
        more = self._flush()
        if not more and self._on_drained is not None:
            with self._lock:
                action, self._on_drained = self._on_drained, None
            if action is not None:
                action()
        return more

    def _flush(self) -> bool:
        with self._lock:
            queue = self._queue
            if queue is None:
                return False
            try:
                while queue.bytes:
                    sent = self._socket.send(queue.head(), _DONTWAIT)
                    queue.advance(sent, time.monotonic())
                    self.bytes_out += sent
            except BlockingIOError:
                self._await_room()
                return True
            except OSError:
                self._broken = True
            self._drop_queue()
            return False

    def check_progress(self, now: float) -> None:
        """Cut the connection off if its receiver has taken nothing for the send time-out."""
        with self._lock:
            if self._queue is not None and now - self._queue.progress_at > self._send_timeout:
                self._cut(CloseReason.SLOW_CONSUMER_TIME)

    # Caller holds the send lock -----------------------------------------------------------------

    def _await_room(self) -> None:
        if self._kept:
            self._kept.lags()
        self._flusher.watch(self, self._socket.fileno())

    def _enqueue(self, queue: SendQueue, data: bytes) -> None:
        queue.append(data)
        if queue.bytes > self._max_queue_bytes + self._allowance_bytes:
            self._cut(CloseReason.SLOW_CONSUMER_BYTES)

    def _cut(self, reason: CloseReason) -> None:
        self.end(reason)
        self._drop_queue()
        self._broken = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def _drop_queue(self) -> None:
        if self._queue is not None:
            self._queue = None
            self._flusher.forget(self._socket.fileno())
            if self._kept and not self._is_missing:
                self._kept.caught_up()
