"""
A connection to a chat server, without a user interface.

One background thread, ``client-reader``, reads and calls back; the thread that made the client sends,
leaves and closes. Works with anybody's line server: nothing here knows threadchat's protocol.
Not here: what lines look like (incoming), what a typed line means (speaker), the screen (plain, tui).
"""

from __future__ import annotations

import contextlib
import fcntl
import select
import socket
import struct
import termios
import threading
import time
from collections.abc import Callable
from types import TracebackType

from threadchat.base.errors import ConnectError
from threadchat.client.incoming import Incoming

CONNECT_SECONDS = 10.0

#: Silence after which a line without an end is shown: a prompt, or a server that never ends its lines.
UNFINISHED_SECONDS = 0.2

_RECEIVE_BYTES = 65536
_UNIX = "unix://"


def connect(host: str, port: int) -> socket.socket:
    """
    Return a socket connected to *host*: a name, an IPv4 or IPv6 address, or ``unix:///path``.

    Every address of a name is tried in turn (``localhost``: ::1, then 127.0.0.1). Raises ConnectError.
    """
    path = host.removeprefix(_UNIX)
    where = path if host.startswith(_UNIX) else f"{host} port {port}"
    try:
        if host.startswith(_UNIX):
            return _connect_unix(path)
        sock = socket.create_connection((host.strip("[]"), port), timeout=CONNECT_SECONDS)
    except TimeoutError:
        raise ConnectError(f"cannot connect to {where}: no answer in {CONNECT_SECONDS:g} seconds") from None
    except OSError as error:
        raise ConnectError(f"cannot connect to {where}: {error.strerror or error}") from None
    except UnicodeError:  # from the IDNA codec
        raise ConnectError(f"cannot connect to {where}: that is not a host name") from None
    sock.settimeout(None)
    # Each line is one send: Nagle's algorithm has nothing to join, only to delay.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _connect_unix(path: str) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.connect(path)
    except OSError:
        sock.close()
        raise
    return sock


class ChatClient:
    """
    A client on a connected socket, which it owns.

    ``on_lines`` gets safe lines, never an empty list, and ``on_closed`` one call when nothing more
    will come; both on the reader thread. A callback that waits makes the server wait.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._reader: threading.Thread | None = None
        self._heard_at = 0.0
        #: Set once the server, or the network, has ended the connection.
        self.closed = threading.Event()
        #: Why, in words for the user. Valid once ``closed`` is set.
        self.reason = ""

    def __enter__(self) -> ChatClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self, on_lines: Callable[[list[str]], None], on_closed: Callable[[], None]) -> None:
        """Begin to read. What has come since connecting is not lost."""
        # A daemon, because a callback may be stuck in a terminal that takes no output.
        self._reader = threading.Thread(
            target=self._read, args=(on_lines, on_closed), name="client-reader", daemon=True
        )
        self._reader.start()

    # Sending and leaving: the owner's thread.

    def limit_send(self, seconds: float) -> None:
        """Make :meth:`send_line` give up when the server has read nothing for so many seconds."""
        # Not settimeout, which would limit the reader too.
        timeval = struct.pack("ll", int(seconds), int(seconds % 1 * 1_000_000))
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeval)

    def send_line(self, line: str) -> None:
        """
        Send *line* and its end as one write: many servers take one read for one message.

        Waits while the server does not read. Raises OSError where the connection has ended.
        """
        self._sock.sendall(line.encode() + b"\n")

    def half_close(self) -> None:
        """Tell the server that nothing more will be sent; what it sends is still read."""
        with contextlib.suppress(OSError):  # the server was faster
            self._sock.shutdown(socket.SHUT_WR)

    def wait_until_taken(self) -> None:
        """Return when the server's machine has everything that was sent. Waits as long as that takes."""
        # The kernel has no event for this. Only a server that is slow to read makes more than one round.
        while self._unsent_bytes() and not self.closed.wait(0.02):
            pass

    def wait_until_quiet(self, quiet_seconds: float, limit_seconds: float) -> None:
        """Return when the server has closed, has said nothing for so long, or after *limit_seconds*."""
        start = time.monotonic()
        while True:
            quiet_at = max(self._heard_at, start) + quiet_seconds
            rest = min(quiet_at, start + limit_seconds) - time.monotonic()
            if rest <= 0 or self.closed.wait(rest):
                return

    def close(self) -> None:
        """Stop the reader and close the connection."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)  # close() would not wake the reader
        if self._reader:
            self._reader.join(timeout=1.0)
            if self._reader.is_alive():  # stuck in a callback: it ends with the process, and so does the fd
                return
        self._sock.close()

    def _unsent_bytes(self) -> int:
        """Return how much the kernel has not had acknowledged: SIOCOUTQ of tcp(7), unix(7)."""
        answer = fcntl.ioctl(self._sock, termios.TIOCOUTQ, b"\0" * 4)
        return int(struct.unpack("i", answer)[0])

    # Reading: the reader thread.

    def _read(self, on_lines: Callable[[list[str]], None], on_closed: Callable[[], None]) -> None:
        incoming = Incoming()
        self.reason = "the server closed the connection"
        try:
            while True:
                if incoming.unfinished and not self._readable_within(UNFINISHED_SECONDS):
                    lines = incoming.flush()
                elif data := self._sock.recv(_RECEIVE_BYTES):
                    self._heard_at = time.monotonic()
                    lines = incoming.feed(data)
                else:
                    break
                if lines:
                    on_lines(lines)
        except OSError as error:
            self.reason = f"connection lost: {error.strerror or error}"
        if lines := incoming.flush():
            on_lines(lines)
        self.closed.set()
        on_closed()

    def _readable_within(self, seconds: float) -> bool:
        poller = select.poll()
        poller.register(self._sock, select.POLLIN)
        return bool(poller.poll(seconds * 1000))
