"""
What the frames between daemon and worker mean: three events, four verdicts, and the control frames.

Both sides use it, the pool and the SDK. As in RoadRunner, an event's context is a compact JSON object with exactly four
keys in a fixed order, and a verdict's context is one word. Nothing here has state; any thread may call.
"""

from __future__ import annotations

import json
from enum import Enum
from typing import NamedTuple

from threadchat.base.errors import WorkerReported, WorkerViolation
from threadchat.wire import goridge
from threadchat.wire.goridge import Frame


class TcpEvent(Enum):
    """What happened on a connection. (RoadRunner's documentation says CLOSED; the wire says CLOSE.)"""

    CONNECTED = "CONNECTED"
    DATA = "DATA"
    CLOSE = "CLOSE"
    UNKNOWN = "UNKNOWN"  # from a daemon that knows more events than we do

    @classmethod
    def _missing_(cls, value: object) -> TcpEvent:
        return cls.UNKNOWN


class Verdict(Enum):
    """What the daemon shall do with the connection."""

    CONTINUE = "CONTINUE"
    WRITE = "WRITE"
    WRITECLOSE = "WRITECLOSE"
    CLOSE = "CLOSE"


#: Looked up for every event. To look up a member of an enumeration takes six times as long as a name in a module.
WRITE, WRITECLOSE, CLOSE = Verdict.WRITE, Verdict.WRITECLOSE, Verdict.CLOSE


class Reply(NamedTuple):
    """A worker's answer to one event."""

    verdict: Verdict
    body: bytes


class ReplaceMe(Exception):  # noqa: N818, it is a request
    """The worker asks to be replaced. Another worker is to get the event."""


_VERDICTS = {verdict.value.encode(): verdict for verdict in Verdict}
_STOP = b'{"stop":true}'

#: Only so much of a worker's report goes into the log, in characters.
_MAX_REPORT = 2000

#: A worker that has this in its answer to the handshake is built on our SDK.
SDK_MARK = "threadchat"

#: Tells such a worker to number its answers: the last option of each is the number of the event that it answers. The
#: first event is number 1. (It is not for others: RoadRunner and its workers take a frame with one more option for a
#: broken one.)
NUMBER_FRAME = goridge.encode(b'{"number":true}', flags=goridge.CONTROL | goridge.JSON)

STOP_FRAME = goridge.encode(_STOP, flags=goridge.CONTROL | goridge.JSON)
#: The context of the answer that asks for a replacement.
REPLACE_ME = _STOP


class EventContext:
    """
    The contexts of one connection's events, encoded once: only ``event`` changes.

    *remote_addr* is ``ip:port``. JSON as Go writes it: ``<``, ``>`` and ``&`` are escaped.
    """

    __slots__ = ("close", "connected", "data", "uuid")

    def __init__(self, remote_addr: str, server: str, uuid: str) -> None:
        fields = {"remote_addr": remote_addr, "server": server, "uuid": uuid}
        text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
        for character in "<>&\u2028\u2029":
            text = text.replace(character, f"\\u{ord(character):04x}")
        start = text[:-1].encode() + b',"event":"'
        self.uuid = uuid
        self.connected = start + b'CONNECTED"}'
        self.data = start + b'DATA"}'
        self.close = start + b'CLOSE"}'


def read_reply(frame: Frame, options: int = 1) -> Reply:
    """
    Return what *frame* tells the daemon to do. A word that is no verdict means CLOSE, as in RoadRunner.

    The frame must have so many *options*. The first one is the length of the context.

    Raises WorkerReported for an error frame, ReplaceMe, and WorkerViolation for what is no reply at all.
    """
    payload, found, flags, stream = frame
    if flags & goridge.ERROR:
        text = payload.decode("utf-8", "replace")
        raise WorkerReported(text if len(text) <= _MAX_REPORT else f"{text[:_MAX_REPORT]}… ({len(text)} characters)")
    if stream & goridge.STREAM:
        raise WorkerViolation("streamed reply: streaming is not supported")
    if len(found) != options or found[0] > len(payload):
        raise WorkerViolation(f"reply of {len(payload)} bytes with options {list(found)}")
    size = found[0]
    context, body = payload[:size], payload[size:]
    verdict = _VERDICTS.get(context)
    if verdict is None:
        if not body and _asks_to_stop(context):
            raise ReplaceMe
        verdict = Verdict.CLOSE
    return Reply(verdict, body)


def pid_frame(pid: int, *, asks: bool) -> bytes:
    """Return one half of the handshake: the daemon's, which *asks*, or the worker's answer."""
    flags = goridge.CONTROL | goridge.JSON if asks else goridge.CONTROL
    return goridge.encode(b'{"pid":%d}' % pid, flags=flags)


def read_pid(frame: Frame) -> int:
    """Return the process id in a handshake's answer. Raises WorkerViolation if it is something else."""
    try:
        pid = json.loads(frame.payload)["pid"] if frame.flags & goridge.CONTROL else 0
    except (ValueError, TypeError, KeyError):
        pid = 0
    if not isinstance(pid, int) or pid <= 0:
        raise WorkerViolation(f"no process id in the handshake's answer: {goridge.excerpt(frame.payload)}")
    return pid


def _asks_to_stop(context: bytes) -> bool:
    try:
        value = json.loads(context)
    except ValueError:
        return False
    return isinstance(value, dict) and value.get("stop") is True
