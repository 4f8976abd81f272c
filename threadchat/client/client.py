"""
A connection to a chat server, without a user interface.

The thread that made the client owns it. The owner may read the first lines itself. Then it starts the background
thread ``client-reader``, which reads and calls back. In the end the owner leaves and closes. Both threads may send.
This works with any line server: nothing here knows threadchat's protocol.
Not here: what lines look like (incoming), what a typed line means (speaker), the screen (plain, tui).
"""

from __future__ import annotations

import contextlib
import fcntl
import select
import signal
import socket
import struct
import termios
import threading
import time
from collections.abc import Callable
from types import TracebackType

from threadchat.base.addresses import Address, UnixAddress
from threadchat.base.errors import ConnectError
from threadchat.client.incoming import Incoming

CONNECT_SECONDS = 10.0

#: Silence after which a line without an end is shown: a prompt, or a server that never ends its lines.
UNFINISHED_SECONDS = 0.2

_RECEIVE_BYTES = 65536


def connect(address: Address) -> socket.socket:
    """
    Return a socket connected to *address*.

    All addresses of a host's name are tried in turn (``localhost``: ::1, then 127.0.0.1). Raises ConnectError.
    """
    where = address.path if isinstance(address, UnixAddress) else f"{address.host} port {address.port}"
    try:
        if isinstance(address, UnixAddress):
            return _connect_unix(address.path)
        sock = socket.create_connection((address.host, address.port), timeout=CONNECT_SECONDS)
    except TimeoutError:
        raise ConnectError(f"cannot connect to {where}: no answer in {CONNECT_SECONDS:g} seconds") from None
    except OSError as error:
        raise ConnectError(f"cannot connect to {where}: {error.strerror or error}") from None
    except UnicodeError:  # from the IDNA codec
        raise ConnectError(f"cannot connect to {where}: that is not a host name") from None
    sock.settimeout(None)
    # Each line is one send: Nagle's algorithm has nothing to join, and would only delay.
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

    ``on_lines`` is called with safe lines, never with an empty list. ``on_closed`` is called once, when nothing more
    will come. Both are called by the reader thread. A callback that waits makes the server wait.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._sending = threading.Lock()  # lines go out whole, one after the other
        self._incoming = Incoming()
        self._reader: threading.Thread | None = None
        self._heard_at = 0.0
        self._ended = False  # the stream has ended: nothing is left to be read
        #: Set once the server, or the network, has ended the connection.
        self.closed = threading.Event()
        #: Why the connection ended, in words for the user. Valid once ``closed`` is set.
        self.reason = "the server closed the connection"

    def __enter__(self) -> ChatClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def read_lines(self, seconds: float) -> list[str]:
        """Return the next lines; none after *seconds*, or at the end of the stream. Only before :meth:`start`."""
        deadline = time.monotonic() + seconds
        while not self._ended and (rest := deadline - time.monotonic()) > 0:
            if lines := self._next_lines(rest):
                return lines
        return []

    def start(self, on_lines: Callable[[list[str]], None], on_closed: Callable[[], None]) -> None:
        """Begin to read in the background. What has come since connecting is not lost."""
        # A daemon, because a callback may be stuck in a terminal that takes no output.
        self._reader = threading.Thread(
            target=self._read, args=(on_lines, on_closed), name="client-reader", daemon=True
        )
        # Signals are for the main thread. They wait until the reader has started: only then can it be joined.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        try:
            signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
            self._reader.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    # Any thread may send. Only the owner leaves.

    def limit_send(self, seconds: float) -> None:
        """Make :meth:`send_line` give up when the server has read nothing for *seconds*."""
        # settimeout() would limit the reader too.
        timeval = struct.pack("ll", int(seconds), int(seconds % 1 * 1_000_000))
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeval)

    def send_line(self, line: str) -> None:
        """
        Send *line* and its end as one write: many servers take one read for one message.

        Waits while the server does not read. Raises OSError if the connection has ended.
        """
        with self._sending:
            self._sock.sendall(line.encode() + b"\n")

    def half_close(self) -> None:
        """Tell the server that nothing more will be sent. What the server sends is still read."""
        with contextlib.suppress(OSError):  # the server has closed already
            self._sock.shutdown(socket.SHUT_WR)

    def wait_until_taken(self) -> None:
        """Return when the server's machine has everything that was sent. Waits as long as that takes."""
        # The kernel has no event for this. Only a server that is slow to read makes more than one round.
        while self._unsent_bytes() and not self.closed.wait(0.02):
            pass

    def wait_until_quiet(self, quiet_seconds: float, limit_seconds: float) -> None:
        """Return when the server has closed, has said nothing for *quiet_seconds*, or after *limit_seconds*."""
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
        if self._reader and self._reader.ident:
            self._reader.join(timeout=1.0)
            if self._reader.is_alive():  # stuck in a callback: it ends with the process, and so does the fd
                return
        self._sock.close()

    def _unsent_bytes(self) -> int:
        """Return how many bytes the server's machine has not taken: SIOCOUTQ of tcp(7), unix(7)."""
        answer = fcntl.ioctl(self._sock, termios.TIOCOUTQ, b"\0" * 4)
        return int(struct.unpack("i", answer)[0])

    # Reading is for the reader thread, once it has started.

    def _read(self, on_lines: Callable[[list[str]], None], on_closed: Callable[[], None]) -> None:
        while not self._ended:
            if lines := self._next_lines(None):
                on_lines(lines)
        self.closed.set()
        on_closed()

    def _next_lines(self, seconds: float | None) -> list[str]:
        """Return what one read brings, or an unfinished line after some silence; wait *seconds* at most."""
        patience = UNFINISHED_SECONDS if self._incoming.unfinished else seconds
        if patience is not None and not self._readable_within(patience):
            return self._incoming.flush()
        try:
            data = self._sock.recv(_RECEIVE_BYTES)
        except OSError as error:
            self.reason = f"connection lost: {error.strerror or error}"
            data = b""
        if data:
            self._heard_at = time.monotonic()
            return self._incoming.feed(data)
        self._ended = True
        return self._incoming.flush()

    def _readable_within(self, seconds: float) -> bool:
        poller = select.poll()
        poller.register(self._sock, select.POLLIN)
        return bool(poller.poll(seconds * 1000))
