"""
How a connection's own thread waits: on its blocking socket, with time-outs that Python knows nothing of.
"""

from __future__ import annotations

import contextlib
import fcntl
import socket
import struct
import termios
import time

#: How long we go on reading from a connection that we end, in seconds. Otherwise bytes from the peer that nobody has
#: read would turn our last words into a reset (RFC 1122, 4.2.2.13).
LINGER_SECONDS = 1.0

#: The most that is read at once.
READ_BYTES = 32 * 1024

#: struct timeval.
_FOR_EVER = struct.pack("@ll", 0, 0)


def set_timeout(sock: socket.socket, option: int, seconds: float) -> None:
    """Set SO_RCVTIMEO or SO_SNDTIMEO; 0 is for ever."""
    value = struct.pack("@ll", *divmod(max(int(seconds * 1e6), 1), 1_000_000)) if seconds else _FOR_EVER
    with contextlib.suppress(OSError):  # the peer has gone: the next read says so
        sock.setsockopt(socket.SOL_SOCKET, option, value)


def linger(sock: socket.socket) -> None:
    """Send no more, but read on until the peer closes, or at least its kernel has taken our last words."""
    end = time.monotonic() + LINGER_SECONDS
    set_timeout(sock, socket.SO_RCVTIMEO, LINGER_SECONDS)
    with contextlib.suppress(OSError):  # the peer is gone, or silent
        sock.shutdown(socket.SHUT_WR)
        while time.monotonic() < end and (sock.recv(READ_BYTES) or _is_unacknowledged(sock)):
            time.sleep(0.001)


def _is_unacknowledged(sock: socket.socket) -> bool:
    """
    Return whether the peer's kernel has yet to take some of what was sent.

    The end of what can be read does not say that: we may have shut down reading ourselves.
    """
    unacknowledged = bytearray(4)
    fcntl.ioctl(sock, termios.TIOCOUTQ, unacknowledged)
    return any(unacknowledged)
