"""
What the kernel knows of a TCP connection's stream: how much of it has been read, by this process or another.

Linux only: tcp(7), TCP_INFO.
"""

from __future__ import annotations

import contextlib
import fcntl
import socket
import struct
import sys
import termios

_SO_DETACH_FILTER = 27

#: struct tcp_info, linux/tcp.h: tcpi_state, tcpi_bytes_received.
_TCP_INFO_BYTES = 136
_TCP_CLOSE_WAIT = 8


def consumed_bytes(sock: socket.socket, default: int) -> int:
    """Return how many bytes any process has read from *sock*; *default* where the kernel does not count."""
    try:
        unread = _unread(sock)
        while True:
            info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
            before, unread = unread, _unread(sock)
            if before == unread:  # nothing came between the two looks
                break
    except (OSError, ValueError):  # not TCP; closed
        return default
    if len(info) < _TCP_INFO_BYTES or not info[0]:
        return default
    (received,) = struct.unpack_from("@Q", info, _TCP_INFO_BYTES - 8)
    return int(received) - (info[0] == _TCP_CLOSE_WAIT) - unread  # the peer's FIN counts as one


def thaw(sock: socket.socket) -> None:
    """Let in what the peer says. A predecessor that wrote entries older than version 3 put a filter in its way."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)


def _unread(sock: socket.socket) -> int:
    count = bytearray(4)
    fcntl.ioctl(sock, termios.FIONREAD, count)
    return int.from_bytes(count, sys.byteorder)
