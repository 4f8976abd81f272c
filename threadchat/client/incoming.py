"""
What a server sends, as lines that are safe to show.

Bytes in, text out, for any server. wire/text.py makes each line safe. NULs and blank lines are dropped. A line
without an end is taken once the caller has waited long enough. Memory stays bounded however long a line gets.
No socket, thread or clock here: the reader thread reads, waits and flushes.
"""

from __future__ import annotations

from threadchat.wire.lines import LineDecoder, Overlong
from threadchat.wire.text import decode

#: Sixteen times what threadchat relays. A longer line is left out, and a note says so.
MAX_LINE_BYTES = 65536

_LINE_ENDS = b"\n\r\x00"


class Incoming:
    """One connection's incoming text. Used by one thread."""

    def __init__(self, max_line_bytes: int = MAX_LINE_BYTES) -> None:
        self._decoder = LineDecoder(max_line_bytes)
        #: Whether the last line has no end so far: a prompt, or the first half of something.
        self.unfinished = False

    def feed(self, data: bytes) -> list[str]:
        """Take *data* as it was read, which is never empty; return the lines it completes."""
        fed = self._decoder.feed(data)
        self.unfinished = data[-1] not in _LINE_ENDS
        lines = _safe_lines(fed.lines)
        if fed.overlong is Overlong.SKIPPED:
            lines.append(f"(a line of more than {self._decoder.max_line_bytes} bytes is left out)")
        return lines

    def flush(self) -> list[str]:
        """Take the unfinished line as it is. To be called after silence and at the end of the stream."""
        self.unfinished = False
        return _safe_lines(self._decoder.flush())


def _safe_lines(data: bytes) -> list[str]:
    lines = decode(data).split("\n")
    return [stripped for line in lines if (stripped := line.rstrip())]
