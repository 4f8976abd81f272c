"""A log that cannot be written costs log lines: no start, no connection, no line of the chat, no goodbye, no stop."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

from tests import root
from tests.talker import Talker
from tests.waiting import DEADLINE, until


class Daemon:
    """A chat room on a unix socket, as nobody can read from its log where it listens."""

    def __init__(self, directory: Path, stderr: int | IO[bytes] | None, *wrapper: str) -> None:
        self.path = directory / "chat"
        command = [*wrapper, sys.executable, "-m", "threadchat", "serve", "--listen", f"unix://{self.path}"]
        self.process = subprocess.Popen(command, stderr=stderr, stdin=subprocess.DEVNULL)
        until(self.listens, "the daemon to listen")

    def listens(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.path)) == 0

    def guest(self) -> Talker:
        talker = Talker.connect(str(self.path))
        talker.sees("Welcome to the chatroom!")
        talker.sees_matching(r"\* You are guest-\d+, .*")
        return talker

    def serves(self) -> None:
        """Fail unless people can come, talk and leave."""
        with self.guest() as alice, self.guest() as bob:
            alice.says("hello")
            bob.sees_matching(r"guest-\d+: hello")
            alice.says("/quit")
            alice.waits_for("* Goodbye!")

    def serves_and(self, condition: Callable[[], bool]) -> bool:
        """Serve once more; return whether *condition* holds then."""
        self.serves()
        return condition()

    def stops(self) -> None:
        """Fail unless it stops as it should."""
        with self.guest() as alice:
            self.process.terminate()
            alice.waits_for("* The server is shutting down. Goodbye!")
            alice.is_gone_quietly()
        assert self.process.wait(DEADLINE) == 0


@contextlib.contextmanager
def daemon(directory: Path, stderr: int | IO[bytes] | None, *wrapper: str) -> Iterator[Daemon]:
    started = Daemon(directory, stderr, *wrapper)
    try:
        yield started
    finally:
        if started.process.poll() is None:
            started.process.kill()
        started.process.wait(DEADLINE)


def test_on_a_full_disk(tmp_path: Path) -> None:
    """Nothing is written from the first line on."""
    with open("/dev/full", "wb") as full, daemon(tmp_path, full) as chat:
        chat.serves()
        chat.stops()


def test_when_the_logs_reader_has_left(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    with open(write, "wb") as pipe, daemon(tmp_path, pipe) as chat:
        chat.serves()
        chat.stops()


def test_without_standard_error(tmp_path: Path) -> None:
    """No connection is taken for it: whoever comes first sees no log line."""
    closing = ["sh", "-c", 'exec "$@" 0<&- 1>&- 2>&-', "sh"]
    with daemon(tmp_path, None, *closing) as chat:
        chat.serves()
        assert os.readlink(f"/proc/{chat.process.pid}/fd/2") == "/dev/null"
        chat.process.send_signal(signal.SIGUSR2)  # the next program has none either
        chat.serves()
        chat.stops()


def test_when_the_logs_reader_does_not_read_for_a_while(tmp_path: Path) -> None:
    """Nobody waits for it. When it reads again it learns how many lines are missing."""
    read, write = os.pipe()
    fill(write)
    with open(write, "wb") as pipe, open(read, "rb") as reader, daemon(tmp_path, pipe) as chat:
        pipe.close()
        chat.serves()
        lines: list[bytes] = []
        listening = threading.Thread(target=lambda: lines.extend(reader))
        listening.start()
        until(lambda: chat.serves_and(lambda: is_told(lines)), "the report")
        chat.stops()
        listening.join()
    assert json.loads(lines[-1])["event"] == "stopped"


def test_on_a_disk_that_fills_up_and_is_cleared(tmp_path: Path) -> None:
    """What was lost is reported; what is written before and after that is whole."""
    root.require("to mount a small disk")
    mounting = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o size=32k log /mnt && exec "$@" 2>/mnt/log', "sh"]
    with daemon(tmp_path, None, *mounting) as chat:
        disk = Path(f"/proc/{chat.process.pid}/root/mnt")
        with (disk / "ballast").open("wb", buffering=0) as ballast, contextlib.suppress(OSError):
            while True:
                ballast.write(b"x" * 4096)
        # The log has the rest of its page.
        until(lambda: chat.serves_and(lambda: (disk / "log").stat().st_size % 4096 == 0), "the disk to be full")
        chat.serves()
        (disk / "ballast").unlink()
        chat.serves()
        events = [json.loads(line) for line in (disk / "log").read_text().splitlines()]
        assert "log_lines_lost" in [event["event"] for event in events]
        chat.stops()


def fill(pipe: int) -> None:
    """Fill a pipe as large as the daemon makes it, with blank lines."""
    fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 1 << 20)
    os.set_blocking(pipe, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(pipe, b"\n" * 4096)
    os.set_blocking(pipe, True)


def is_told(lines: Sequence[bytes]) -> bool:
    """Whether the log says how many lines are missing. Every line is whole."""
    events = [json.loads(line) for line in lines if line.strip()]
    return any(event["event"] == "log_lines_lost" and event["count"] for event in events)
