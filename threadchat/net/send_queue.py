"""
The bytes for one receiver that did not fit into the kernel's buffer.

They are plain memory, and counted. The connection's send lock guards them. All receivers of a batch share its pieces,
so a thousand stalled readers do not hold a thousand copies.
"""

from __future__ import annotations

from collections import deque


class SendQueue:
    """A FIFO of bytes. ``progress_at`` is when the receiver last took any, in seconds of the caller's clock."""

    __slots__ = ("_pieces", "_sent", "bytes", "progress_at")

    def __init__(self, now: float) -> None:
        self._pieces: deque[bytes] = deque()
        self._sent = 0  # bytes of the first piece
        self.bytes = 0
        self.progress_at = now

    def append(self, data: bytes) -> None:
        """Put *data* at the end."""
        self._pieces.append(data)
        self.bytes += len(data)

    def rest(self) -> bytes:
        """Return everything that is left to be sent."""
        return b"".join(self._pieces)[self._sent :]

    def head(self) -> memoryview:
        """Return what is next to be sent. The queue must not be empty."""
        return memoryview(self._pieces[0])[self._sent :]

    def skip(self, count: int) -> None:
        """Leave out *count* bytes of the head, which are on their way already."""
        self.bytes -= count
        self._sent = count

    def advance(self, count: int, now: float) -> None:
        """Forget *count* bytes of the head, which have been sent."""
        self.bytes -= count
        self.progress_at = now
        self._sent += count
        if self._sent == len(self._pieces[0]):
            self._pieces.popleft()
            self._sent = 0
