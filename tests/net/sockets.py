"""Connections for tests: a socket pair with small buffers, or real TCP where its behaviour matters."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.waiting import DEADLINE
from threadchat.base.errors import CloseReason
from threadchat.net.connection import Connection
from threadchat.net.flusher import Flusher
from threadchat.net.handover import Handover

#: As small as the kernel lets a send buffer be.
SMALL_BUFFER = 4608


@dataclass
class Ends:
    """A connection of ours and the peer's socket."""

    connection: Connection
    peer: socket.socket

    def peer_reads(self, count: int) -> bytes:
        """Return exactly *count* bytes, or fewer if the stream ends before."""
        data = b""
        while len(data) < count and (got := self.peer.recv(min(count - len(data), 65536))):
            data += got
        return data

    def peer_reads_all(self) -> bytes:
        """Return all until the stream ends."""
        return self.peer_reads(1 << 40)

    def fill(self) -> int:
        """Send until something has to be queued; return how many bytes were sent in all."""
        sent = 0
        while self.connection._queue is None and self.connection.reason is None:
            self.connection.send(b"x" * 1000)
            sent += 1000
        return sent

    def peer_resets(self) -> None:
        """Make the peer vanish with an RST (TCP only)."""
        self.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.peer.close()


@contextlib.contextmanager
def running_flusher() -> Iterator[Flusher]:
    """A flusher with its thread."""
    flusher = Flusher()
    flusher.start()
    try:
        yield flusher
    finally:
        flusher.stop()


@contextlib.contextmanager
def connected(
    flusher: Flusher, *, tcp: bool = False, max_queue_bytes: int = 1 << 30, send_timeout: float = 3600.0
) -> Iterator[Ends]:
    """A connection served by *flusher*, with small buffers on the way to its peer."""
    ours, peer = _tcp_pair() if tcp else socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL_BUFFER)
    peer.settimeout(DEADLINE)
    where = peer.getsockname()
    connection = Connection(ours, where, "test", flusher, max_queue_bytes, send_timeout)
    with peer:
        try:
            yield Ends(connection, peer)
        finally:
            if ours.fileno() >= 0:  # the test has not finished it itself
                connection.cut(CloseReason.ERROR)
                connection.finish()


def in_background(job: Callable[[], object]) -> threading.Thread:
    """Run *job* in a thread, as a connection's own thread would."""
    thread = threading.Thread(target=job, name="own")
    thread.start()
    return thread


def kept(ends: Ends, handover: Handover) -> set[int]:
    """Keep the connection; return the ids of its entries, which are changed in place by what comes."""
    ends.connection.number = 1
    ends.connection.keep(handover, dict)
    return set(handover.ledger.entries())


def _tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = socket.socket()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
        peer.connect(listener.getsockname())
        ours, _ = listener.accept()
    return ours, peer
