"""
What the kernel knows of a TCP connection, and how to hold its stream still while nobody is told.

A frozen connection takes acknowledgements and nothing else: what its peer says is dropped, as if it had been lost
on the way, and so said again (RFC 9293, section 3.8.1) until it is thawed. Its reader, in whatever process, notices
nothing. Linux only, socket(7), SO_ATTACH_FILTER.
"""

from __future__ import annotations

import array
import contextlib
import fcntl
import socket
import struct
import sys
import termios

_SO_ATTACH_FILTER, _SO_DETACH_FILTER = 26, 27

#: struct tcp_info, linux/tcp.h: tcpi_state, tcpi_bytes_received.
_TCP_INFO_BYTES = 136
_TCP_ESTABLISHED, _TCP_CLOSE_WAIT = 1, 8

#: Instructions, linux/filter.h: operation, jump if true, jump if false, operand. What is loaded begins with the TCP
#: header, RFC 9293, section 3.1; what is returned is how much of the packet to take.
_TAKE_ACKNOWLEDGEMENTS = (
    (0x30, 0, 0, 13),  # the flags:
    (0x45, 8, 0, 0b111),  # drop it if RST, SYN or FIN is set
    (0x30, 0, 0, 12),  # the header's length, in the upper half of the byte, in units of four
    (0x74, 0, 0, 2),
    (0x54, 0, 0, 0x3C),
    (0x07, 0, 0, 0),
    (0x80, 0, 0, 0),  # the packet's length,
    (0x1C, 0, 0, 0),  # less the header's,
    (0x15, 0, 1, 0),  # is zero?
    (0x06, 0, 0, 0xFFFF_FFFF),  # take it
    (0x06, 0, 0, 0),  # drop it
)
_PROGRAM = array.array("B", b"".join(struct.pack("@HBBI", *step) for step in _TAKE_ACKNOWLEDGEMENTS))
_SOCK_FPROG = struct.pack("@HP", len(_TAKE_ACKNOWLEDGEMENTS), _PROGRAM.buffer_info()[0])


def freeze(sock: socket.socket) -> bool:
    """Take no more from the peer of *sock*, if it is TCP; return whether the kernel has agreed."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, _SOCK_FPROG)
    except OSError:
        return False
    return True


def thaw(sock: socket.socket) -> None:
    """Undo :meth:`freeze`, whoever has done that, if anybody has."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)


def is_read_up(sock: socket.socket, read_bytes: int) -> bool:
    """
    Return whether *read_bytes* is all that *sock*, which is frozen, has ever received, and its stream goes on.

    Then a read of it blocks, and goes on blocking.
    """
    return _received(sock) == (_TCP_ESTABLISHED, read_bytes, 0)


def consumed_bytes(sock: socket.socket, default: int) -> int:
    """Return how many bytes have been read from *sock*, by whomever; *default* where the kernel does not count."""
    state, received, unread = _received(sock)
    if not state:
        return default
    return received - (state == _TCP_CLOSE_WAIT) - unread  # the peer's FIN is counted


def _received(sock: socket.socket) -> tuple[int, int, int]:
    """Return the state, and how many bytes have been received, and not been read; zeros where that is not known."""
    try:
        unread = _unread(sock)
        while True:
            info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
            before, unread = unread, _unread(sock)
            if before == unread:  # nothing has come in between
                break
    except (OSError, ValueError):  # not TCP; closed
        return 0, 0, 0
    if len(info) < _TCP_INFO_BYTES:
        return 0, 0, 0
    (received,) = struct.unpack_from("@Q", info, _TCP_INFO_BYTES - 8)
    return info[0], received, unread


def _unread(sock: socket.socket) -> int:
    count = bytearray(4)
    fcntl.ioctl(sock, termios.FIONREAD, count)
    return int.from_bytes(count, sys.byteorder)
