"""
Lines out of a byte stream, as forgiving as the clients that send them.

LF ends a message; so do NUL and a bare CR. CR before LF is dropped, and so are empty messages.
Many clients never send a line end at all. :attr:`LineDecoder.patience` says how long silence must last before
their unfinished line counts as a message. :meth:`LineDecoder.flush` then takes it.
Keys that erase stay in the lines (wire/erase.py), but what they erased does not count towards the limit.
No socket, thread or clock here: the caller reads, waits and flushes.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple, TypedDict

from threadchat.wire.erase import erase_bytes

#: A read ends like this when somebody has pressed Enter in a terminal that sends each key (RFC 854: CR NUL).
_ENTER = (b"\r", b"\r\0")

#: Silence after which unfinished data counts as a message, in seconds. The first is for a client that has never
#: ended a line, the second for one that also seems to send every key as it is typed.
QUIET_SECONDS = 0.15
QUIET_KEYSTROKE_SECONDS = 2.0

_ENDS = bytes.maketrans(b"\r\x00", b"\n\n")


class Overlong(IntEnum):
    """What happened to lines over the limit during one :meth:`LineDecoder.feed`."""

    NO = 0
    SKIPPED = 1  # a line has turned out too long and is left out: tell the peer, once per line
    ENDLESS = 2  # the line has gone on for so long that the peer is no line client: close


class Feed(NamedTuple):
    """The result of feeding bytes: whole lines, LF-ended, in one piece, and whether a line was too long."""

    lines: bytes
    overlong: Overlong


class DecoderState(TypedDict):
    """
    All that a :class:`LineDecoder` knows.

    ``partial`` is in Latin-1, one character for each byte. ``saw_lf`` says whether the peer is a line client.
    """

    partial: str
    skipped: int
    saw_lf: bool
    last: int


class LineDecoder:
    """Splits what one peer sends. ``max_line_bytes`` counts without the line end."""

    __slots__ = ("_last_feed_bytes", "_line_client", "_partial", "_skipped_bytes", "max_line_bytes")

    #: A line that goes on for this many times the limit is endless.
    ENDLESS_FACTOR = 256

    def __init__(self, max_line_bytes: int) -> None:
        self.max_line_bytes = max_line_bytes
        self._partial = b""
        self._skipped_bytes = 0  # of an over-long line so far; 0: no line is being skipped
        self._line_client = False  # the peer has ended a line, and so will end the next one
        self._last_feed_bytes = 0

    def feed(self, data: bytes) -> Feed:
        """Take *data* as it was read; return the whole, non-empty lines it completes."""
        self._last_feed_bytes = len(data)
        if self._is_plain(data):
            self._line_client = True
            return Feed(data, Overlong.NO)
        if not self._line_client:
            # A client that never ends a line may still have CR or NUL inside a message.
            self._line_client = b"\n" in data or data.endswith(_ENTER)
        if b"\r" in data or b"\x00" in data:
            data = data.translate(_ENDS)
        overlong = Overlong.NO
        if self._skipped_bytes:
            end = data.find(b"\n")
            if end < 0:
                return Feed(b"", self._skip(len(data)))
            self._skipped_bytes = 0
            data = data[end + 1 :]
        # Only the new bytes are searched: a peer that sends one byte at a time costs O(n), not O(n²).
        end = data.rfind(b"\n") + 1
        if end == 0:
            self._partial += data
            return Feed(b"", self._cut_partial())
        lines = self._partial + data[:end]
        self._partial = data[end:]
        if len(lines) > self.max_line_bytes + 1 or lines[0] == 10 or b"\n\n" in lines:
            lines, overlong = self._filter(lines)
        return Feed(lines, max(overlong, self._cut_partial()))

    @property
    def patience(self) -> float | None:
        """Seconds of silence after which to call :meth:`flush`. None: wait for the line end, however long."""
        if self._line_client or not (self._partial or self._skipped_bytes):
            return None
        return QUIET_KEYSTROKE_SECONDS if self._last_feed_bytes == 1 else QUIET_SECONDS

    @property
    def settled(self) -> bool:
        """Whether the peer is a line client and between two lines. All such states are alike."""
        return self._line_client and not self._partial and not self._skipped_bytes

    def state(self) -> DecoderState:
        """Return what another decoder needs to go on."""
        return {
            "partial": self._partial.decode("latin-1"),
            "skipped": self._skipped_bytes,
            "saw_lf": self._line_client,
            "last": self._last_feed_bytes,
        }

    def restore(self, state: DecoderState) -> None:
        """Go on where another decoder was."""
        self._partial = state["partial"].encode("latin-1")
        self._skipped_bytes = state["skipped"]
        self._line_client = state["saw_lf"]
        self._last_feed_bytes = state["last"]

    def flush(self) -> bytes:
        """Return the unfinished line, LF-ended, or nothing. To be called after silence and at the end of the stream."""
        line, self._partial, self._skipped_bytes = self._partial, b"", 0
        return line + b"\n" if line else b""

    def _is_plain(self, data: bytes) -> bool:
        """Whether *data* is whole lines that need no work. Mostly it is."""
        return (
            data[-1:] == b"\n"
            and not self._partial
            and not self._skipped_bytes
            and len(data) <= self.max_line_bytes
            and data[0] != 10
            and b"\n\n" not in data
            and b"\r" not in data
            and b"\0" not in data
        )

    def _filter(self, lines: bytes) -> tuple[bytes, Overlong]:
        """Return *lines* without the empty and the over-long ones, and whether there were over-long ones."""
        split = [line if len(line) <= self.max_line_bytes else erase_bytes(line) for line in lines.split(b"\n")]
        kept = [line for line in split if line and len(line) <= self.max_line_bytes]
        overlong = any(len(line) > self.max_line_bytes for line in split)
        kept.append(b"")
        return b"\n".join(kept) if len(kept) > 1 else b"", Overlong.SKIPPED if overlong else Overlong.NO

    def _cut_partial(self) -> Overlong:
        """Begin to skip the unfinished line if it is over the limit already."""
        if len(self._partial) > self.max_line_bytes:
            self._partial = erase_bytes(self._partial)
        if len(self._partial) <= self.max_line_bytes:
            return Overlong.NO
        skipped, self._partial = len(self._partial), b""
        return max(Overlong.SKIPPED, self._skip(skipped))

    def _skip(self, count: int) -> Overlong:
        self._skipped_bytes += count
        endless = self._skipped_bytes > self.max_line_bytes * self.ENDLESS_FACTOR
        return Overlong.ENDLESS if endless else Overlong.NO
