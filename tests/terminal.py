"""A program in a terminal of its own, as a person at a keyboard sees it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from pexpect.fdpexpect import fdspawn

from tests.waiting import DEADLINE

COLUMNS, ROWS = 80, 24

if TYPE_CHECKING:
    _Spawn = fdspawn[Any]
else:
    _Spawn = fdspawn  # generic in its stubs only


class Session(_Spawn):
    """
    A program and its terminal. Pexpect's methods type, and wait for output.

    This is not ``pexpect.spawn``, which forks: Python warns of a fork in a process that has threads. Instead,
    ``setsid --ctty`` makes the pseudo-terminal the controlling terminal, and then becomes the program.
    """

    def __init__(
        self, *command: str, environment: Mapping[str, str] | None = None, encoding: str | None = "utf-8"
    ) -> None:
        keyboard, terminal = os.openpty()
        try:
            termios.tcsetwinsize(terminal, (ROWS, COLUMNS))
            self.process = subprocess.Popen(
                ["setsid", "--ctty", *command], stdin=terminal, stdout=terminal, stderr=terminal, env=environment
            )
        except BaseException:
            os.close(keyboard)
            raise
        finally:
            os.close(terminal)
        super().__init__(keyboard, encoding=encoding, timeout=DEADLINE, use_poll=True)
        self.delaybeforesend = None

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self.send("\x03")

    def resize(self, columns: int, rows: int = ROWS) -> None:
        """Change the size of the terminal. The kernel tells the program with SIGWINCH."""
        termios.tcsetwinsize(self.child_fd, (rows, columns))

    def exit_code(self) -> int:
        """Wait for the program to end and return its exit status. A negative one means that a signal killed it."""
        return self.process.wait(DEADLINE)

    def close(self) -> None:
        """Close the terminal, and end the program if it still runs."""
        super().close()
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGKILL)
        self.process.wait(DEADLINE)


@contextmanager
def terminal(*command: str) -> Iterator[Session]:
    """Run a program in a terminal of its own."""
    session = Session(*command)
    try:
        yield session
    finally:
        session.close()


@contextmanager
def client(port: int, *options: str) -> Iterator[Session]:
    """Run threadchat-client against a port of this machine."""
    arguments = ["-c", "from threadchat.client.cli import main; main()", "localhost", str(port), *options]
    with terminal(sys.executable, *arguments) as session:
        yield session
