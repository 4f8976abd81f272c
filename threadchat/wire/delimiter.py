"""
Messages out of a byte stream, each ended by a delimiter of one or more bytes.

For listeners that serve workers. The delimiter is found wherever it stands: split between two reads, or a hundred
times in one read. It stays part of the message, as workers expect.
No socket, thread or clock here.
"""

from __future__ import annotations

from threadchat.base.errors import WireError


class DelimiterDecoder:
    """Splits what one peer sends. ``max_message_bytes`` limits what is kept of an unfinished message."""

    __slots__ = ("_partial", "delimiter", "max_message_bytes")

    def __init__(self, delimiter: bytes, max_message_bytes: int) -> None:
        if not delimiter:
            raise ValueError("a delimiter has at least one byte")
        self.delimiter = delimiter
        self.max_message_bytes = max_message_bytes
        self._partial = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Take *data* as read; return the messages it completes. Raises WireError if one gets too long."""
        delimiter = self.delimiter
        if self._partial:
            # Search only the new bytes, and as many old ones as could begin the delimiter.
            searched = max(0, len(self._partial) - len(delimiter) + 1)
            self._partial += data
            if self._partial.find(delimiter, searched) < 0:
                return self._keep()
            data = bytes(self._partial)
            self._partial.clear()
        if 0 <= data.find(delimiter) == len(data) - len(delimiter):  # mostly, a read is one message
            return [data]
        *messages, rest = data.split(delimiter)
        if rest:
            self._partial += rest
            self._keep()
        return [message + delimiter for message in messages]

    def flush(self) -> bytes:
        """Return the unfinished message, or nothing. To be called at the end of the stream."""
        rest = bytes(self._partial)
        self._partial.clear()
        return rest

    def _keep(self) -> list[bytes]:
        if len(self._partial) > self.max_message_bytes:
            self._partial.clear()
            raise WireError(f"no delimiter in {self.max_message_bytes} bytes")
        return []
