"""Somebody in the chat, for tests: a plain socket that sends lines and reads lines."""

from __future__ import annotations

import re
import socket
import struct
from typing import Any

from tests.waiting import DEADLINE

#: A line that says that others have come, gone or changed names; with or without a number.
_COMING = re.compile(r"(#[\d-]+ )?\* (\d+ people|\S+) (joined|left|left for \S+|is now \S+)")


class Talker:
    """A client that does nothing by itself: it sends what it is told to send."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        sock.settimeout(DEADLINE)
        self._unread = b""
        self.remembers = False  # True: line() also returns what was said before they came

    @classmethod
    def connect(cls, address: tuple[str, int] | str, receive_buffer: int | None = None) -> Talker:
        """Connect to a TCP address, or to the path of a unix socket."""
        sock = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(DEADLINE)
        sock.connect(address)
        return cls(sock)

    def says(self, text: str) -> None:
        """Send one line."""
        self.sends(f"{text}\n".encode())

    def sends(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(data)

    def line(self) -> str:
        """Return the next line, without its end. Skips what was said before they came. Fails if the stream ends."""
        line = self.next_line()
        if re.fullmatch(r"\* The last (\d+ lines|line) here:", line) and not self.remembers:
            while line != "* That was before you came.":
                line = self.next_line()
            return self.line()
        return line

    def next_line(self) -> str:
        """Return the next line, without its end, whatever it is. Fails if the stream ends."""
        while b"\n" not in self._unread:
            data = self._receive()
            assert data, f"the connection ended, after {self._unread!r}"
            self._unread += data
        line, _, self._unread = self._unread.partition(b"\n")
        return line.decode()

    def sees(self, *lines: str) -> None:
        """Expect exactly these *lines* next. Skips the comings and goings of others."""
        for expected in lines:
            seen = self.line()
            while seen != expected and _COMING.fullmatch(seen):
                seen = self.line()
            assert seen == expected, (seen, expected)

    def sees_matching(self, pattern: str) -> re.Match[str]:
        """Expect a line that matches *pattern* next. Skips the comings and goings of others."""
        seen = self.line()
        while not (found := re.fullmatch(pattern, seen)):
            assert _COMING.fullmatch(seen), (seen, pattern)
            seen = self.line()
        return found

    def waits_for(self, line: str) -> list[str]:
        """Read until *line* comes; return the lines before it."""
        before = []
        while (seen := self.line()) != line:
            before.append(seen)
        return before

    def receives(self, count: int) -> bytes:
        """Return the next *count* bytes."""
        while len(self._unread) < count:
            data = self._receive()
            assert data, f"the connection ended after {len(self._unread)} of {count} bytes"
            self._unread += data
        data, self._unread = self._unread[:count], self._unread[count:]
        return data

    def unread(self) -> bytes:
        """Return the bytes received after the last line, for a caller that then reads from the socket itself."""
        data, self._unread = self._unread, b""
        return data

    def rest(self) -> bytes:
        """Return everything up to the end of the stream."""
        while data := self._receive():
            self._unread += data
        data, self._unread = self._unread, b""
        return data

    def is_gone_quietly(self) -> None:
        """Expect the end of the stream, and nothing before it."""
        assert self.rest() == b""

    def finishes(self) -> None:
        """Send no more, but go on receiving (a half-close, as ``nc -N`` does)."""
        self.socket.shutdown(socket.SHUT_WR)

    def leaves(self) -> None:
        """Close the connection."""
        self.socket.close()

    def vanishes(self) -> None:
        """Reset the connection, as a crashed program's kernel does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def _receive(self) -> bytes:
        try:
            return self.socket.recv(65536)
        except ConnectionResetError:
            return b""

    def __enter__(self) -> Talker:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.leaves()
