"""A real ``threadchat-client`` in a real terminal, tmux, which wraps lines anew when it is resized."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import debian
from tests.client.terminal import COMMAND
from tests.waiting import until


class Tmux:
    """One terminal, in a tmux server of its own."""

    def __init__(self, directory: Path) -> None:
        self._command = [debian.require("tmux"), "-S", str(directory / "tmux"), "-f", "/dev/null"]

    def run(self, *arguments: str) -> str:
        """Run a command of tmux; return what it prints."""
        environment = {**os.environ, "LC_ALL": "C.UTF-8"}
        command = [*self._command, *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    def type(self, text: str) -> None:
        """Press the keys of *text*."""
        self.run("send-keys", "-l", text)

    def resize(self, columns: int) -> None:
        """Make the terminal as wide as that."""
        self.run("resize-window", "-x", str(columns))

    def lines(self) -> list[str]:
        """Return all that is on the screen or has left it at the top; what was wrapped as one line."""
        return [line.rstrip() for line in self.run("capture-pane", "-p", "-J", "-S", "-").split("\n") if line.strip()]

    def rests(self) -> None:
        """Return when the client has nothing more to do: it has slept for twenty looks."""
        status = Path("/proc") / self.run("display", "-p", "#{pane_pid}").strip() / "status"
        looks: deque[str] = deque(maxlen=20)

        def asleep() -> bool:
            looks.append(status.read_text().partition("voluntary_ctxt_switches")[2])
            return len(looks) == looks.maxlen and len(set(looks)) == 1

        until(asleep, "the client to rest")

    def cursor(self) -> int:
        """Return the column of the cursor."""
        return int(self.run("display", "-p", "#{cursor_x}"))

    def expect(self, *lines: str, cursor: int | None = None) -> None:
        """Return when exactly *lines* are there, and the cursor is in the column *cursor*, if that is given."""

        def shown() -> bool:
            return self.lines() == list(lines) and cursor in (None, self.cursor())

        try:
            until(shown, "these lines", deadline=10)
        except AssertionError:
            raise AssertionError(f"expected {list(lines)}, the screen shows {self.lines()}") from None


@contextmanager
def client(directory: Path, *arguments: object, columns: int) -> Iterator[Tmux]:
    """Run ``threadchat-client`` with *arguments* in tmux; its socket is in *directory*."""
    tmux = Tmux(directory)
    command = shlex.join([*COMMAND, *map(str, arguments)])
    size = ("-x", str(columns), "-y", "24")
    # Without that option, what is erased from the first row on is kept above the screen.
    tmux.run(
        *("start-server", ";", "set-option", "-g", "scroll-on-clear", "off", ";"), "new-session", "-d", *size, command
    )
    try:
        yield tmux
    finally:
        tmux.run("kill-server")
