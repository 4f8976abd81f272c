"""
A worker written against the protocol's description alone, and frames packed by hand.

Nothing of threadchat is used here: what these workers send is what the specification says, or is wrong on purpose.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Callable


def frame(payload: bytes, options: tuple[int, ...] = (), flags: int = 0, stream: int = 0) -> bytes:
    """Pack a frame."""
    head = struct.pack("<BBI", 0x10 | (3 + len(options)), flags, len(payload))
    words = b"".join(struct.pack("<I", option) for option in options)
    return head + struct.pack("<IBB", zlib.crc32(head), stream, 0) + words + payload


def reply(context: bytes, body: bytes = b"") -> bytes:
    """Pack a verdict."""
    return frame(context + body, (len(context),))


def send(*frames: bytes) -> None:
    """Write *frames* to standard output, in one piece."""
    os.write(1, b"".join(frames))


def read_exactly(count: int) -> bytes:
    """Read *count* bytes from standard input; end the process if they do not come."""
    data = b""
    while len(data) < count:
        piece = os.read(0, count - len(data))
        if not piece:
            os._exit(0)
        data += piece
    return data


def read() -> tuple[int, tuple[int, ...], bytes]:
    """Read one frame: its flags, options and payload."""
    header = read_exactly(12)
    count = (header[0] & 0x0F) - 3
    options = struct.unpack(f"<{count}I", read_exactly(count * 4))
    return header[1], options, read_exactly(int.from_bytes(header[2:6], "little"))


def serve(bad: Callable[[str], None], on_stop: Callable[[], None] = lambda: os._exit(0)) -> None:
    """
    Shake hands, then echo every message; one that begins with ``bad`` is passed to *bad*, which answers it or not.

    ``pid`` is answered with the process id. BAD_AT in the environment names an event that is for *bad* always.
    """
    while True:
        flags, options, payload = read()
        if flags & 1:
            if b"stop" in payload:
                on_stop()
                continue
            send(frame(json.dumps({"pid": os.getpid()}).encode(), flags=1))
            continue
        context, body = json.loads(payload[: options[0]]), payload[options[0] :]
        if body.startswith(b"bad") or os.environ.get("BAD_AT") == context["event"]:
            bad(body.decode())
        elif context["event"] != "DATA":
            send(reply(b"CONTINUE"))
        elif body == b"pid\r\n":
            send(reply(b"WRITE", b"%d\r\n" % os.getpid()))
        else:
            send(reply(b"WRITE", body))
