"""
What can go wrong, and why a connection ends.

    ThreadchatError
    ├── ConfigError            everything that is wrong with a configuration, each problem with its path
    ├── ListenError            no listening on an address
    ├── ConnectError           a server could not be reached (the client's counterpart)
    ├── WireError              the peer broke the framing: tell it, close
    │   └── FrameError         bytes that are no Goridge frame
    ├── WorkerError            an event has no answer: its connection is closed, nobody else notices
    │   ├── WorkerStartError   a worker could not be started
    │   ├── NoFreeWorker       no worker came free in time, or too many events wait already
    │   ├── ExecTimeout        a worker took longer than exec_ttl: it is killed
    │   ├── WorkerCrashed      a worker died, or closed its relay
    │   ├── WorkerViolation    a worker broke the protocol: it is replaced
    │   ├── Unanswered         a worker went on to the next event without an answer: it is kept
    │   └── WorkerReported     a worker answered with an error frame: it is kept
    ├── RpcError               a call over RPC failed: the caller is told why
    ├── ChatError              a user's mistake: tell them, go on
    ├── HistoryError           what happens in a room cannot be kept, or cannot be read: the room goes on
    └── LedgerError            what is known about kept connections cannot be read, or there is no room for it

Anything else that escapes a connection's thread is a bug of ours: it is logged with its
traceback and ends that one connection.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from enum import Enum


class ThreadchatError(Exception):
    """The root of every exception threadchat raises on purpose."""


class ConfigError(ThreadchatError):
    """A configuration cannot be used. ``problems`` lists all that is wrong with it, one sentence each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class ListenError(ThreadchatError):
    """An address could not be listened on; the message says which, why, and what to do."""


class ConnectError(ThreadchatError):
    """A server could not be reached; the message says which and why."""


class WireError(ThreadchatError):
    """The peer sent bytes that its protocol does not allow; the message may be shown to it."""


class FrameError(WireError):
    """Bytes that are no Goridge frame: wrong CRC, header or length. The message quotes them."""


class WorkerError(ThreadchatError):
    """A worker did not answer an event; the message says why, for the log."""


class WorkerStartError(WorkerError):
    """A worker could not be started, or did not say who it is in time."""


class NoFreeWorker(WorkerError):  # noqa: N818, the field's word
    """No worker came free in time, there is no worker at all, or too many events wait already."""


class ExecTimeout(WorkerError):  # noqa: N818, the field's word
    """A worker did not answer in the time it has for one event."""


class WorkerCrashed(WorkerError):  # noqa: N818, the field's word
    """A worker died, or closed its relay, before it answered."""


class WorkerViolation(WorkerError):  # noqa: N818, the field's word
    """A worker answered with something that the protocol does not allow."""


class Unanswered(WorkerError):  # noqa: N818, the field's word
    """A worker went on to the next event without having answered this one."""


class WorkerReported(WorkerError):  # noqa: N818, the field's word
    """A worker answered an event with an error frame; the message is the worker's own."""


class RpcError(ThreadchatError):
    """A call over RPC failed; the message is for the caller."""


class ChatError(ThreadchatError):
    """A user asked for something impossible; the message is one sentence for that user."""


class HistoryError(ThreadchatError):
    """A history cannot be written or read just now; the message says why, for the log."""


class LedgerError(ThreadchatError):
    """An inherited ledger, or its slots, cannot be read here; or a ledger is full."""


class CloseReason(Enum):
    """
    Why a connection ended: the ``reason`` of its one closing log line.

    The first reason wins. After a graceful one, what is still queued is sent.
    """

    EOF = "eof"  # the peer closed its side
    QUIT = "quit"  # the user said /quit
    RESET = "reset"  # the peer's program is gone: RST, broken pipe
    VANISHED = "vanished"  # the peer's machine is gone: nothing has been heard of it for the keep-alive time-out
    IDLE = "idle"
    FULL = "full"  # refused: connection limits
    SLOW_CONSUMER_BYTES = "slow consumer: send queue full"
    SLOW_CONSUMER_TIME = "slow consumer: no progress"
    PROTOCOL = "protocol"  # endless line, a message without its end
    WRONG_PROTOCOL = "wrong_protocol"  # HTTP, TLS, a port scanner: another protocol's greeting on a chat port
    APP = "closed by the app"
    WORKER = "worker failed"
    SHUTDOWN = "shutdown"
    ERROR = "internal error"

    @classmethod
    def of(cls, problem: OSError) -> CloseReason:
        """Return the reason for the end of a connection whose reading fails with *problem*."""
        return cls.VANISHED if problem.errno in _VANISHED else cls.RESET

    @property
    def graceful(self) -> bool:
        """Whether what is still queued for the peer should be sent before the descriptor is closed."""
        return self not in _ABRUPT


#: The errors for a peer that has not answered for too long. A router on the way may have told the kernel why.
_VANISHED = frozenset({errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN})

_ABRUPT = frozenset(
    {
        CloseReason.RESET,
        CloseReason.VANISHED,
        CloseReason.SLOW_CONSUMER_BYTES,
        CloseReason.SLOW_CONSUMER_TIME,
        CloseReason.ERROR,
    }
)
