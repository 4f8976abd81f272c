"""
Goridge frames: what RoadRunner and its workers say to each other, as bytes in and values out.

A frame is a 12-byte header, up to ten 32-bit option words, and a payload; everything is little-endian:

    0      version (high nibble, always 1), header length in 32-bit words (low nibble: 3 + options)
    1      flags            2 to 5  payload length       6 to 9  CRC-32 of bytes 0 to 5
    10     stream bits      11    0                    12 on  options, then the payload

The CRC is verified and the version is not, as on the Go side. What a frame *means* is not here:
workers/payload.py has the events and verdicts. No socket, thread or clock; one decoder belongs to one reader.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple
from zlib import crc32

from threadchat.base.errors import FrameError

#: Byte 1, a bit mask. RAW, JSON, MSGPACK, GOB and PROTOBUF name the payload's codec.
CONTROL: Final = 0x01
RAW: Final = 0x04
JSON: Final = 0x08
MSGPACK: Final = 0x10
GOB: Final = 0x20
ERROR: Final = 0x40
PROTOBUF: Final = 0x80

#: Byte 10, a bit mask.
STREAM: Final = 0x01  # more frames of this reply follow
STOP: Final = 0x02  # daemon to worker: end your stream
PING: Final = 0x04  # worker to daemon: still there?
PONG: Final = 0x08  # daemon to worker: yes

HEADER_BYTES: Final = 12
MAX_OPTIONS: Final = 10
#: More than any sane message, and less than a corrupt or hostile length could make us wait for.
MAX_PAYLOAD_BYTES: Final = 256 * 1024 * 1024

_CHECKED = struct.Struct("<BBI")
_UNCHECKED = struct.Struct("<IBB")
_HEADER = struct.Struct("<BBIIBB")
_OPTIONS = [struct.Struct(f"<{count}I") for count in range(MAX_OPTIONS + 1)]
_ONE_OPTION = _OPTIONS[1]
_VERSION_1 = 0x10
_WORDS = HEADER_BYTES // 4


class Frame(NamedTuple):
    """One frame. ``flags`` and ``stream`` are the bit masks above, ``options`` unsigned 32-bit numbers."""

    payload: bytes
    options: tuple[int, ...] = ()
    flags: int = 0
    stream: int = 0


def encode(payload: bytes, options: Sequence[int] = (), flags: int = 0, stream: int = 0) -> bytes:
    """Return a frame as bytes. Raises ValueError if a value does not fit into the header."""
    count = len(options)
    if count > MAX_OPTIONS:
        raise ValueError(f"a frame has at most {MAX_OPTIONS} options, not {count}")
    try:
        return b"".join((_header(len(payload), count, flags, stream), _OPTIONS[count].pack(*options), payload))
    except struct.error as problem:
        raise ValueError(f"not a frame: {problem}") from None


def encode_with_context(context: bytes, body: bytes) -> bytes:
    """Return an event or a reply. The payload is *context*, then *body*; the one option is the context's length."""
    size = len(context)
    return b"".join((_header(size + len(body), 1, 0, 0), _ONE_OPTION.pack(size), context, body))


@lru_cache(1024)  # payloads differ, headers rarely do
def _header(length: int, options: int, flags: int, stream: int) -> bytes:
    checked = _CHECKED.pack(_VERSION_1 | (_WORDS + options), flags, length)
    return checked + _UNCHECKED.pack(crc32(checked), stream, 0)


@lru_cache(1024)
def _read_header(header: bytes) -> tuple[int, int, int, int]:
    """Return the number of options, the payload's length, the flags and the stream bits. Raises FrameError."""
    first, flags, length, checksum, stream, _ = _HEADER.unpack(header)
    options = (first & 0x0F) - _WORDS
    if crc32(header[:6]) != checksum or not 0 <= options <= MAX_OPTIONS:
        raise FrameError("the header is none")
    return options, length, flags, stream


class FrameDecoder:
    """
    Turns the bytes that one peer sends, in pieces of any size, into frames.

    Raises :exc:`FrameError` for bytes that are no frame. After that the decoder is of no use.
    """

    __slots__ = ("_buffer", "_max_payload_bytes", "_missing_bytes")

    def __init__(self, max_payload_bytes: int = MAX_PAYLOAD_BYTES) -> None:
        self._max_payload_bytes = max_payload_bytes
        self._buffer = bytearray()
        self._missing_bytes = 0  # still to come before the buffer is worth another look

    @property
    def pending_bytes(self) -> int:
        """How many bytes of an unfinished frame have come."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[Frame]:
        """Take *data* as it was read; return the frames it completes."""
        if self._buffer:
            self._buffer += data
            if len(data) < self._missing_bytes:
                self._missing_bytes -= len(data)
                return []
            data = bytes(self._buffer)
            self._buffer.clear()
        frames: list[Frame] = []
        at, end = 0, len(data)
        while end - at >= HEADER_BYTES:
            try:
                count, length, flags, stream = _read_header(data[at : at + HEADER_BYTES])
            except FrameError:
                raise FrameError(f"not a frame: {excerpt(data[at:])}") from None
            if length > self._max_payload_bytes:
                raise FrameError(f"a frame of {length} bytes, over the limit of {self._max_payload_bytes}")
            body = at + HEADER_BYTES + count * 4
            if end < body + length:
                self._missing_bytes = body + length - end
                self._buffer += data[at:]
                return frames
            options = _OPTIONS[count].unpack_from(data, at + HEADER_BYTES)
            frames.append(Frame(data[body : body + length], options, flags, stream))
            at = body + length
        if at < end:
            self._missing_bytes = HEADER_BYTES - (end - at)
            self._buffer += data[at:]
        return frames


def excerpt(data: bytes, most: int = 200) -> str:
    """Return the beginning of what a peer sent, readable in a log."""
    return repr(data[:most].decode("utf-8", "backslashreplace")) + ("…" if len(data) > most else "")
