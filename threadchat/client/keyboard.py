"""
Lines from standard input that another thread can interrupt.

``input()`` cannot be told that the server has gone. This module waits for the keyboard and for a call of
:meth:`Keyboard.wake` at the same time. The terminal stays in its own line mode, so it echoes and edits.
The main thread reads; any thread may wake it.
"""

from __future__ import annotations

import os
import select
import sys
from collections import deque
from enum import Enum
from types import TracebackType


class End(Enum):
    """Why there is no line."""

    INPUT = "end of input"
    WOKEN = "woken"


class Keyboard:
    """The lines of a file descriptor, normally 0."""

    def __init__(self, descriptor: int = 0) -> None:
        self._descriptor = descriptor
        self._woken, self._wake = os.pipe()
        self._lines: deque[bytes] = deque()
        self._partial = b""
        self._at_end = False
        self._encoding = (sys.stdin and sys.stdin.encoding) or "utf-8"  # the locale's
        #: Whether a person is typing, as opposed to a file or another program.
        self.interactive = os.isatty(descriptor)

    def __enter__(self) -> Keyboard:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._woken)
        os.close(self._wake)

    def wake(self) -> None:
        """Make :meth:`read_line` return, now and from now on."""
        os.write(self._wake, b"!")

    def read_line(self) -> str | End:
        """Return the next line without its end, or why there is none. The last line needs no end."""
        while True:
            if self._woken_up():
                return End.WOKEN
            if self._lines:
                return self._lines.popleft().decode(self._encoding, "replace").rstrip("\r")
            if self._at_end:
                return End.INPUT
            self._wait()

    def at_end(self) -> bool:
        """Whether it is known that no more lines will come. Does not wait."""
        if not self._at_end:
            self._wait(0)
        return self._at_end and not self._lines

    def _wait(self, milliseconds: int | None = None) -> None:
        poller = select.poll()  # epoll, which selectors prefers, refuses regular files
        poller.register(self._descriptor, select.POLLIN)
        poller.register(self._woken, select.POLLIN)
        ready = {descriptor for descriptor, _ in poller.poll(milliseconds)}
        if self._descriptor in ready:
            try:
                data = os.read(self._descriptor, 65536)
            except OSError:  # the terminal has hung up
                data = b""
            self._at_end = not data
            *lines, self._partial = (self._partial + data).split(b"\n")
            self._lines.extend(lines)
            if self._at_end and self._partial:
                self._lines.append(self._partial)

    def _woken_up(self) -> bool:
        return bool(select.select([self._woken], [], [], 0)[0])
