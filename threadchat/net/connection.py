"""
One accepted socket. Its own thread reads it, and any thread may send to it (sender.py).

Only the connection's own thread closes the descriptor, in :meth:`Connection.finish`. Other threads shut the socket
down. The socket has no Python time-outs: they defeat MSG_DONTWAIT.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from threadchat.base.errors import CloseReason
from threadchat.net.blocking import READ_BYTES, linger, set_timeout
from threadchat.net.listen import describe_peer
from threadchat.net.sender import Sender
from threadchat.net.slots import SLOT_BYTES, Slot

if TYPE_CHECKING:
    from threadchat.net.flusher import Flusher
    from threadchat.net.handover import Handover, Kept, Stored

#: The attributes of a connection that a successor is told, beside its slot and the state of its app.
_STATE = ("server", "address", "peer", "opened_at", "bytes_in", "bytes_out")


class Connection(Sender):
    """A connected stream socket. ``peer`` is for people, ``address`` is what the limits count by."""

    __slots__ = (
        "_app_state",
        "_finished",
        "_flags",
        "_opening",
        "_read_timeout",
        "_slot",
        "_turn",
        "_unacted",
        "address",
        "bytes_in",
        "number",
        "opened_at",
        "peer",
        "server",
    )

    def __init__(
        self,
        sock: socket.socket,
        peer_address: object,
        server: str,
        flusher: Flusher,
        max_queue_bytes: int,
        send_timeout: float,
        slot: Slot | None = None,
    ) -> None:
        super().__init__(sock, flusher, max_queue_bytes, send_timeout)
        self._slot = slot or Slot.private()
        # The kernel counts what is read from TCP, so a successor knows what is in the slot. It does not count for unix
        # sockets, so a read of these only looks at the bytes first.
        self._flags = socket.MSG_PEEK if sock.family == socket.AF_UNIX else 0
        self._turn = threading.Lock()  # held by the connection's own thread while it acts, or by the one that parked it
        self._turn.acquire()
        self._finished = False
        self._unacted = b""  # read by a predecessor, and not acted on
        self._read_timeout = 0.0
        self._app_state: Callable[[], dict[str, Any] | None] | None = None
        self._opening = True  # not yet decided whether it is kept
        self.number = 0  # given by the connection set
        self.server = server
        self.address, self.peer = describe_peer(peer_address)
        self.opened_at = time.monotonic()
        self.bytes_in = 0

    # Called by the connection's own thread ------------------------------------------------------

    def read(self, timeout: float | None) -> bytes | None:
        """
        Return what has come; b"" at the end, with ``reason`` set; None after *timeout* seconds of silence.

        A *timeout* of None waits for ever. If the connection is parked meanwhile, this does not return until it is
        unparked.
        """
        if self._unacted:
            data, self._unacted = self._unacted, b""
        else:
            if (timeout or 0.0) != self._read_timeout:
                self._read_timeout = timeout or 0.0
                set_timeout(self._socket, socket.SO_RCVTIMEO, self._read_timeout)
            count = 0
            self._turn.release()
            try:
                count = self._socket.recv_into(self._slot.view, SLOT_BYTES, self._flags)
            except BlockingIOError:
                return None
            except OSError as problem:
                self.end(CloseReason.of(problem))
                return b""
            finally:
                self._turn.acquire()
            data = self._rest(count)
        if not data:
            self.end(CloseReason.EOF)
        self.bytes_in += len(data)
        return data

    def _rest(self, count: int) -> bytes:
        """Return the *count* bytes that the last read has found, and those that have come after them."""
        data = b"" if self._flags else self._slot.content(count)
        if count == SLOT_BYTES or (self._flags and count):
            with contextlib.suppress(OSError):  # no more has come; or the connection is over, as the next read finds
                data += self._socket.recv(READ_BYTES - len(data), socket.MSG_DONTWAIT)
        return data

    def sleep(self, seconds: float) -> None:
        """Wait for so many *seconds*, or until the connection is being closed. It may be parked meanwhile."""
        end = time.monotonic() + seconds
        with self.resting():
            while self.reason is None and (left := end - time.monotonic()) > 0:
                time.sleep(min(left, 0.1))

    def wait_sent(self) -> None:
        """Wait until the kernel has taken what was sent, or the receiver is cut off. It may be parked meanwhile."""
        self._drain(self.resting)

    @contextlib.contextmanager
    def resting(self) -> Iterator[None]:
        """Let the connection be parked while its own thread waits. Its state must be whole, as it may be saved then."""
        self._turn.release()
        try:
            yield
        finally:
            self._turn.acquire()

    def hang_up(self) -> None:
        """Send what is queued, and let the peer see the end. Its app may still be at work; :meth:`finish` is later."""
        if (self.reason or CloseReason.ERROR).graceful:
            self._drain()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def finish(self) -> None:
        """Send what is queued if the end is a graceful one, and close the descriptor."""
        reason = self.reason or CloseReason.ERROR
        if reason.graceful:
            self._drain()
        if reason.graceful and reason is not CloseReason.EOF:
            linger(self._socket)
        with self._lock:
            self._drop_queue()
            self._broken = True
            if self._kept:  # the kept copy would hold it open for the peer
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)
                self._kept.forget()
            self._socket.close()
        self._app_state = self._on_drained = None  # else these cycles wait for the garbage collector
        self._slot.give_back()
        self._finished = True
        self._turn.release()

    def keep(self, handover: Handover | None, app_state: Callable[[], dict[str, Any] | None]) -> None:
        """Let *handover* keep the connection, if a successor can go on with its app. For its own thread, once."""
        kept = None
        self._app_state = app_state
        if handover and (state := self._state()):
            kept = handover.keep(self.number, self._socket, state)
        with self._lock:
            self._kept, self._opening = kept, False

    # Called by any thread -----------------------------------------------------------------------

    def close(self, reason: CloseReason) -> None:
        """End the connection politely: its own thread sends what is queued, then closes."""
        self.end(reason)
        with self._lock, contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RD)

    # Leaving the connection to another process, and taking it over: see handover.py ---------------

    @property
    def kept(self) -> bool:
        """Whether a successor will find the connection. True also while that is not decided yet."""
        return self._opening or self._kept is not None

    def save(self) -> None:
        """Save what a successor must know. For the connection's own thread, or for another while that is parked."""
        if self._kept and (state := self._state()):
            self._kept.save(state)

    def _state(self) -> dict[str, Any] | None:
        app_state = self._app_state and self._app_state()
        if app_state is None:
            return None
        return {"app": app_state, "slot": self._slot.number} | {name: getattr(self, name) for name in _STATE}

    def restore(self, stored: Stored, kept: Kept, app_state: Callable[[], dict[str, Any] | None]) -> None:
        """Go on where another process stopped. To be called before the connection's thread is started."""
        state, unsent = stored.state, stored.unsent
        self._unacted = stored.unacted
        for name in _STATE:
            setattr(self, name, state[name])
        self._kept, self._opening, self._app_state = kept, False, app_state
        set_timeout(self._socket, socket.SO_RCVTIMEO, 0.0)
        set_timeout(self._socket, socket.SO_SNDTIMEO, 0.0)
        if unsent:
            kept.lags()  # a crash before the next entry loses them: nobody could say how many were sent
            self.send(unsent)
            with self._lock:
                if self._queue is None:
                    kept.caught_up()

    def park(self, seconds: float) -> bool:
        """
        Keep the connection's own thread from acting on anything more, once it is done with what it acts on now.

        A parked thread waits, for bytes or with bytes in its slot, until :meth:`unpark` or the end of the process.
        Returns whether the thread was parked within *seconds*. A thread that has ended counts as parked.
        """
        return self._turn.acquire(timeout=max(seconds, 0.0))

    def unpark(self) -> None:
        """Let the connection's own thread go on."""
        self._turn.release()

    def abandon(self) -> None:
        """Close the connection for its peer, whatever its own thread does. For the main thread, as its last call."""
        self.cut(CloseReason.SHUTDOWN)
        with self._lock:
            if self._kept:
                self._kept.forget()

    def leave_behind(self) -> bool:
        """
        Save the state of a parked connection. Return whether a successor can go on with it; not if it has been cut.

        For the main thread, as its last call.
        """
        self.save()
        with self._lock:
            if self._kept and self._broken:
                self._kept.forget()
            elif self._kept and self._queue is not None:
                self._kept.lags(self._queue.rest())
            elif self._kept:
                self._kept.caught_up()  # the app knows what was refused
            return self._kept is not None and not self._broken
