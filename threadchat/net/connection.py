"""
One accepted socket: read by its own thread, sent to by any.

Sending never blocks: what the kernel does not take goes into a bounded queue that the flusher finishes. A receiver over
the limit, in bytes or in time, is cut off by name (slow consumer). The descriptor is closed by the connection's own
thread alone, in :meth:`finish`; everybody else shuts the socket down. No Python time-outs: they defeat MSG_DONTWAIT.
"""

from __future__ import annotations

import contextlib
import select
import signal
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

from threadchat.errors import CloseReason
from threadchat.net.blocking import linger, receive, set_timeout
from threadchat.net.listen import describe_peer
from threadchat.net.send_queue import SendQueue

if TYPE_CHECKING:
    from threadchat.net.flusher import Flusher
    from threadchat.net.handover import Handover, Kept

#: Interrupts a blocked read, which is then tried again, with a time-out. A handler that does nothing must be set.
WAKE_SIGNAL = signal.SIGURG

#: What a successor is told of a connection, beside what its app says.
_STATE = ("server", "address", "peer", "opened_at", "bytes_in", "bytes_out")

_DONTWAIT = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL


class Connection:
    """A connected stream socket. ``peer`` is for people, ``address`` is what the limits count by."""

    __slots__ = (
        "_allowance_bytes",
        "_broken",
        "_flusher",
        "_kept",
        "_lock",
        "_max_queue_bytes",
        "_opening",
        "_queue",
        "_read_timeout",
        "_send_timeout",
        "_socket",
        "address",
        "bytes_in",
        "bytes_out",
        "number",
        "opened_at",
        "peer",
        "reason",
        "server",
        "thread",
    )

    def __init__(
        self,
        sock: socket.socket,
        peer_address: object,
        server: str,
        flusher: Flusher,
        max_queue_bytes: int,
        send_timeout: float,
    ) -> None:
        self._socket = sock
        self._flusher = flusher
        self._max_queue_bytes = max_queue_bytes
        self._allowance_bytes = 0  # of the longest answer, which may be queued beyond the limit
        self._send_timeout = send_timeout
        self._lock = threading.Lock()
        self._queue: SendQueue | None = None  # None: everything has been taken by the kernel
        self._broken = False  # sending has failed, or is over
        self._read_timeout = 0.0
        self._kept: Kept | None = None  # a successor will find it
        self._opening = True  # it may yet be kept
        self.thread = 0  # the ident of its own; 0 before that runs
        self.number = 0  # given by the connection set
        self.server = server
        self.address, self.peer = describe_peer(peer_address)
        self.reason: CloseReason | None = None
        self.opened_at = time.monotonic()
        self.bytes_in = 0
        self.bytes_out = 0

    # Called by the connection's own thread ------------------------------------------------------

    def read(self, timeout: float | None) -> bytes | None:
        """
        Return what has come; b"" at the end, with ``reason`` set; None after *timeout* seconds of silence.

        A *timeout* of None waits for ever.
        """
        if (timeout or 0.0) != self._read_timeout:
            with self._lock:
                if self.reason is not CloseReason.HANDED_OVER:
                    set_timeout(self._socket, socket.SO_RCVTIMEO, timeout or 0.0)
                    self._read_timeout = timeout or 0.0
        try:
            data = receive(self._socket)
        except BlockingIOError:
            return None
        except OSError:
            self.end(CloseReason.RESET)
            return b""
        if not data:
            self.end(CloseReason.EOF)
        self.bytes_in += len(data)
        return data

    def send_blocking(self, data: bytes) -> None:
        """Send *data* at the receiver's pace: for answers to this very peer, which then slow it alone."""
        self.bytes_out += len(data)
        rest: bytes | memoryview = data
        try:
            while (sent := self._socket.send(rest, socket.MSG_NOSIGNAL)) < len(rest):
                rest = memoryview(rest)[sent:]
        except BlockingIOError:  # SO_SNDTIMEO has passed
            if self.reason is CloseReason.HANDED_OVER:
                self.bytes_out -= len(rest)
                self.send(bytes(rest))
            else:
                self.cut(CloseReason.SLOW_CONSUMER_TIME)
        except OSError:
            self.cut(CloseReason.RESET)

    def wait_sent(self) -> None:
        """Wait until what was sent has been taken by the kernel, or the receiver has been cut off."""
        if self._queue is not None:
            self._drain()

    def limit_blocking_sends(self) -> None:
        """Make :meth:`send_blocking` give up after the send time-out without progress."""
        with self._lock:
            if self.reason is not CloseReason.HANDED_OVER:
                set_timeout(self._socket, socket.SO_SNDTIMEO, self._send_timeout)

    def sleep(self, seconds: float) -> None:
        """Do not read for so long, unless the connection is being closed."""
        end = time.monotonic() + seconds
        while self.reason is None and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.1))

    def hang_up(self) -> None:
        """Send what is queued, and let the peer see the end, though the connection is not yet finished with."""
        if (self.reason or CloseReason.ERROR).graceful:
            self._drain()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def finish(self) -> None:
        """Send what is queued if that makes sense, and close the descriptor."""
        reason = self.reason or CloseReason.ERROR
        if reason.graceful:
            self._drain()
        if reason.graceful and reason is not CloseReason.EOF:
            linger(self._socket)
        with self._lock:
            self._drop_queue()
            self._broken = True
            if self._kept:  # the copy that is kept would hold it open for the peer
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)
                self._kept.forget()
            self._socket.close()

    # Keeping it, and going on with it in another process: see handover.py --------------------------

    def keep(self, handover: Handover | None, app_state: dict[str, Any] | None) -> None:
        """Let *handover* keep the connection, unless its app cannot be gone on with. By its own thread, once."""
        kept = None
        if handover and app_state is not None:
            kept = handover.keep(self.number, self._socket, self._state(app_state))
        with self._lock:
            self._kept, self._opening = kept, False
            if not kept and self.reason is CloseReason.HANDED_OVER:
                self.end(CloseReason.SHUTDOWN)

    @property
    def kept(self) -> bool:
        """Whether a successor will find the connection, as far as that is known."""
        return self._opening or self._kept is not None

    def save(self, app_state: dict[str, Any]) -> None:
        """Note what a successor must know. By the connection's own thread."""
        if self._kept:
            self._kept.save(self._state(app_state))

    def _state(self, app_state: dict[str, Any]) -> dict[str, Any]:
        return {"app": app_state} | {name: getattr(self, name) for name in _STATE}

    def restore(self, state: dict[str, Any], unsent: bytes | None, kept: Kept) -> None:
        """Go on where another process was. Before the connection's thread is started."""
        for name in _STATE:
            setattr(self, name, state[name])
        self._kept, self._opening = kept, False
        set_timeout(self._socket, socket.SO_RCVTIMEO, 0.0)
        set_timeout(self._socket, socket.SO_SNDTIMEO, 0.0)
        if unsent:
            kept.lags()  # until it is known how much of it has been sent
            self.send(unsent)
            with self._lock:
                if self._queue is None:
                    kept.caught_up()

    def hand_over(self) -> None:
        """Have the connection's own thread end soon, between two reads. The caller sees to it that it has not yet."""
        with self._lock:
            self.end(CloseReason.HANDED_OVER if self.kept else CloseReason.SHUTDOWN)
            set_timeout(self._socket, socket.SO_RCVTIMEO, 0.001)
            set_timeout(self._socket, socket.SO_SNDTIMEO, 0.001)
        if self.thread:
            signal.pthread_kill(self.thread, WAKE_SIGNAL)

    def leave_behind(self) -> bool:
        """Save what is unsent, and close. Last, by the main thread; returns False if the connection has been cut."""
        with self._lock:
            if self._kept and self._broken:
                self._kept.forget()
            elif self._kept and self._queue is not None:
                self._kept.lags(self._queue.rest())
            self._queue = None
            self._socket.close()
            return not self._broken

    def _drain(self) -> None:
        """Wait until the queue is empty. A cut, or the flusher's deadline, ends the waiting too."""
        writable = select.poll()
        writable.register(self._socket, select.POLLOUT)
        while self.flush():
            writable.poll(1000)

    # Called by any thread -----------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """Send *data*, or queue what the kernel does not take. Never blocks, never raises."""
        lock = self._lock
        lock.acquire()  # with a `with`, a delivery would cost a quarter more of Python's time
        try:
            if self._queue is not None:
                self._enqueue(self._queue, data)
            elif not self._broken:
                try:
                    sent = self._socket.send(data, _DONTWAIT)
                except BlockingIOError:
                    sent = 0
                self.bytes_out += sent
                if sent < len(data):
                    self._lag(data[sent:])
        except OSError:
            # The peer is gone. What it said before may still wait to be read, so nothing is shut down.
            self._broken = True
        finally:
            lock.release()

    def cork(self) -> None:
        """Hold back what is sent from now on, in order, until :meth:`flush`."""
        with self._lock:
            self._queue = self._queue or SendQueue(time.monotonic())

    def answer(self, data: bytes) -> None:
        """Send *data* as :meth:`send`, however long: the peer has asked. :meth:`wait_sent` before the next one."""
        if len(data) > self._allowance_bytes:
            with self._lock:
                self._allowance_bytes = len(data)
        self.send(data)

    def end(self, reason: CloseReason) -> None:
        """Note why the connection ends; its own thread stops reading when it sees that. The first reason wins."""
        if self.reason is None or self.reason is CloseReason.HANDED_OVER:
            self.reason = reason

    def close(self, reason: CloseReason) -> None:
        """End the connection politely: its own thread sends what is queued, then closes."""
        self.end(reason)
        with self._lock, contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RD)

    def cut(self, reason: CloseReason) -> None:
        """End the connection at once; what is queued is lost."""
        with self._lock:
            self._cut(reason)

    # Called by the flusher (and by the connection's own thread while it ends) -------------------

    def flush(self) -> bool:
        """Send what the kernel will take of the queue; return whether there is more."""
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

    def _lag(self, unsent: bytes) -> None:
        self._queue = SendQueue(time.monotonic())
        self._enqueue(self._queue, unsent)
        if self._queue is not None:
            self._await_room()

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
            if self._kept:
                self._kept.caught_up()
