"""
One accepted socket: read by its own thread, sent to by any (sender.py).

The descriptor is closed by the connection's own thread alone, in :meth:`Connection.finish`; everybody else shuts the
socket down. No Python time-outs: they defeat MSG_DONTWAIT.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from threadchat.base.errors import CloseReason
from threadchat.net import tcp
from threadchat.net.blocking import linger, receive, set_timeout
from threadchat.net.listen import describe_peer
from threadchat.net.sender import Sender

if TYPE_CHECKING:
    from threadchat.net.flusher import Flusher
    from threadchat.net.handover import Handover, Kept

#: Interrupts a blocked read, which is then tried again, with a time-out. A handler that does nothing must be set.
WAKE_SIGNAL = signal.SIGURG

#: What a successor is told of a connection, beside what its app says.
_STATE = ("server", "address", "peer", "opened_at", "bytes_in", "bytes_out")


class Connection(Sender):
    """A connected stream socket. ``peer`` is for people, ``address`` is what the limits count by."""

    __slots__ = (
        "_app_state",
        "_opening",
        "_read_timeout",
        "_reading",
        "address",
        "bytes_in",
        "number",
        "opened_at",
        "peer",
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
        super().__init__(sock, flusher, max_queue_bytes, send_timeout)
        self._read_timeout = 0.0
        self._reading = False  # its thread waits for bytes, or is just about to, or just did
        self._app_state: Callable[[], dict[str, Any] | None] | None = None
        self._opening = True  # it may yet be kept
        self.thread = 0  # the ident of its own; 0 before that runs
        self.number = 0  # given by the connection set
        self.server = server
        self.address, self.peer = describe_peer(peer_address)
        self.opened_at = time.monotonic()
        self.bytes_in = 0

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
        self._reading = True
        try:
            data = receive(self._socket)
        except BlockingIOError:
            return None
        except OSError:
            self.end(CloseReason.RESET)
            return b""
        finally:
            self._reading = False  # before bytes_in is changed: see rests
        if not data:
            self.end(CloseReason.EOF)
        self.bytes_in += len(data)
        return data

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
        self._app_state = None  # or they would hold each other for the garbage collector

    def keep(self, handover: Handover | None, app_state: Callable[[], dict[str, Any] | None]) -> None:
        """Let *handover* keep the connection, unless its app cannot be gone on with. By its own thread, once."""
        kept = None
        self._app_state = app_state
        if handover and (state := self._state()):
            kept = handover.keep(self.number, self._socket, state)
        with self._lock:
            self._kept, self._opening = kept, False
            if not kept and self.reason is CloseReason.HANDED_OVER:
                self.end(CloseReason.SHUTDOWN)

    # Called by any thread -----------------------------------------------------------------------

    def close(self, reason: CloseReason) -> None:
        """End the connection politely: its own thread sends what is queued, then closes."""
        self.end(reason)
        with self._lock, contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RD)

    # Leaving it to another process, and going on with it: see handover.py -------------------------

    @property
    def kept(self) -> bool:
        """Whether a successor will find the connection, as far as that is known."""
        return self._opening or self._kept is not None

    def save(self) -> None:
        """Note what a successor must know. By the connection's own thread, or while that rests for good."""
        if self._kept and (state := self._state()):
            self._kept.save(state)

    def _state(self) -> dict[str, Any] | None:
        app_state = self._app_state and self._app_state()
        if app_state is None:
            return None
        return {"app": app_state} | {name: getattr(self, name) for name in _STATE}

    def restore(
        self, state: dict[str, Any], unsent: bytes | None, kept: Kept, app_state: Callable[[], dict[str, Any] | None]
    ) -> None:
        """Go on where another process was. Before the connection's thread is started."""
        for name in _STATE:
            setattr(self, name, state[name])
        self._kept, self._opening, self._app_state = kept, False, app_state
        set_timeout(self._socket, socket.SO_RCVTIMEO, 0.0)
        set_timeout(self._socket, socket.SO_SNDTIMEO, 0.0)
        if unsent:
            kept.lags()  # until it is known how much of it has been sent
            self.send(unsent)
            with self._lock:
                if self._queue is None:
                    kept.caught_up()

    def freeze(self) -> bool:
        """
        Hand the connection over: its own thread ends between two reads, or :meth:`rests`; nothing more arrives.

        Returns whether nothing does: not every socket can be frozen. The caller sees to it that it is still served.
        """
        with self._lock:
            self.end(CloseReason.HANDED_OVER if self.kept else CloseReason.SHUTDOWN)
            return tcp.freeze(self._socket)

    def rests(self) -> bool:
        """Whether its own thread, now that it is frozen, waits for what will not come, and has done all before."""
        bytes_in = self.bytes_in  # first: what the thread has counted, it no longer waits for
        return tcp.is_read_up(self._socket, bytes_in) and self._reading

    def interrupt(self) -> None:
        """Have its own thread end soon, whatever it waits for. After :meth:`freeze`."""
        with self._lock:
            set_timeout(self._socket, socket.SO_RCVTIMEO, 0.001)
            set_timeout(self._socket, socket.SO_SNDTIMEO, 0.001)
        if self.thread:
            signal.pthread_kill(self.thread, WAKE_SIGNAL)

    def leave_behind(self) -> bool:
        """Save what is unsent. Last, by the main thread; returns False if the connection has been cut."""
        with self._lock:
            if self._kept and self._broken:
                self._kept.forget()
            elif self._kept and self._queue is not None:
                self._kept.lags(self._queue.rest())
            return not self._broken
