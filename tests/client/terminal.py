"""A real ``threadchat-client`` process in a real pseudo-terminal, and the screen a person would see."""

from __future__ import annotations

import os
import sys
import termios
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pexpect
import pyte

from tests.terminal import COLUMNS, ROWS, Session
from tests.waiting import until

COMMAND = [sys.executable, "-c", "from threadchat.client.cli import main; main()"]


class _Screen(pyte.Screen):
    """A screen that answers what the program asks it, such as where the cursor is."""

    def __init__(self, session: Session) -> None:
        super().__init__(COLUMNS, ROWS)
        self._session = session
        self.answers = True

    def write_process_input(self, data: str) -> None:
        """Send an answer, as if it were typed."""
        if self.answers:
            self._session.send(data)


class Terminal:
    """One client, its keyboard and its screen."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._screen = _Screen(session)
        self._stream = pyte.ByteStream(self._screen)
        #: All that the client has written, as bytes.
        self.written = b""
        #: How the terminal was set at first.
        self.settings = self.terminal_settings()

    def type(self, text: str) -> None:
        """Press the keys of *text*."""
        self.session.send(text)

    def enter(self, text: str) -> None:
        """Type *text* and press Enter."""
        self.session.send(text + "\r")

    def is_deaf(self) -> None:
        """Answer no more when the client asks the terminal something."""
        self._screen.answers = False

    def resize(self, columns: int) -> None:
        """Make the terminal as wide as that. What is to the right is cut off, as xterm does."""
        self._read()
        self._screen.resize(ROWS, columns)
        self.session.resize(columns)

    def lines(self) -> list[str]:
        """Return what is on the screen now, without empty lines and trailing blanks."""
        self._read()
        return [line.rstrip() for line in self._screen.display if line.strip()]

    def expect(self, *lines: str) -> None:
        """Return when the screen shows exactly *lines*."""
        self._until(lambda: self.lines() == list(lines), f"exactly {list(lines)}")

    def expect_line(self, line: str) -> None:
        """Return when *line* is on the screen."""
        self._until(lambda: line in self.lines(), f"the line {line!r}")

    def colour_at(self, text: str) -> str:
        """Return the foreground colour in which *text* is on the screen."""
        for row, line in enumerate(self._screen.display):
            if (column := line.find(text)) >= 0:
                return str(self._screen.buffer[row][column].fg)
        raise AssertionError(f"{text!r} is not on the screen")

    def exit_code(self) -> int:
        """Return how the client ended; waits for that. Negative: killed by a signal, as subprocess has it."""

        def ended() -> bool:
            self._read()
            return self.session.process.poll() is not None

        until(ended, "the client to end")
        self._read()
        return self.session.exit_code()

    def signal(self, number: int) -> None:
        """Send the client a signal."""
        self.session.process.send_signal(number)

    def terminal_settings(self) -> list[object]:
        """Return how the terminal is set now: modes, speeds, control characters."""
        return termios.tcgetattr(self.session.child_fd)

    def _until(self, condition: Callable[[], bool], what: str) -> None:
        try:
            until(condition, what, deadline=10)
        except AssertionError:
            raise AssertionError(f"expected {what}, the screen shows {self.lines()}") from None

    def _read(self) -> None:
        with suppress(pexpect.TIMEOUT, pexpect.EOF):
            while data := self.session.read_nonblocking(65536, timeout=0):
                self.written += data
                self._stream.feed(data)


def input_line(prompt: str, text: str, columns: int) -> str:
    """Return how an input line looks: as much of its end as there is room for before the cursor."""
    room, rest = columns - 1 - len(prompt), text
    while _width(rest) > room or unicodedata.combining(rest[0]):
        rest = rest[1:]
    half = " " * (room - _width(rest)) if rest != text else ""  # of a wide character
    return (prompt + half + rest).rstrip()


def _width(text: str) -> int:
    return sum((unicodedata.east_asian_width(c) in "WF") + (not unicodedata.combining(c)) for c in text)


@contextmanager
def client(*arguments: object, term: str = "xterm-256color", **environment: str) -> Iterator[Terminal]:
    """Run ``threadchat-client`` with *arguments* in a terminal."""
    env = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    session = Session(*COMMAND, *map(str, arguments), environment={**env, "TERM": term, **environment}, encoding=None)
    try:
        yield Terminal(session)
    finally:
        session.close()
