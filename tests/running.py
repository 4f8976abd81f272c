"""A real ``threadchat serve`` process to test against."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.talker import Talker
from tests.waiting import DEADLINE, until


class Running:
    """A daemon in a process of its own. Its log is in a file, with one JSON event on each line."""

    def __init__(self, directory: Path, *options: str, descriptors: int | None = None) -> None:
        self.talkers: list[Talker] = []
        self._log = directory / f"log-{len(list(directory.iterdir()))}"
        command = [sys.executable, "-m", "threadchat", "serve", *options]
        if descriptors:
            command = ["sh", "-c", f'ulimit -n {descriptors}; exec "$@"', "sh", *command]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(command, stderr=log, stdin=subprocess.DEVNULL)

    @property
    def output(self) -> str:
        """All that the daemon has written so far."""
        return self._log.read_text()

    def events(self, name: str) -> list[dict[str, Any]]:
        """The events called *name* in the log so far."""
        lines = [line for line in self.output.split("\n")[:-1] if line.startswith("{")]
        return [event for event in map(json.loads, lines) if event["event"] == name]

    def logs(self, name: str, count: int = 1) -> list[dict[str, Any]]:
        """Wait until *count* events called *name* are in the log; return them."""
        until(lambda: len(self.events(name)) >= count or self.process.poll() is not None, f"{count} times {name!r}")
        found = self.events(name)
        assert len(found) >= count, self.output
        return found

    @property
    def addresses(self) -> list[str]:
        """Every address that the daemon listens on, in the order of the configuration."""
        return [event["address"] for event in self.logs("listening")]

    @property
    def port(self) -> int:
        """The port of the first address that the daemon listens on."""
        found = re.search(r":(\d+)$", self.addresses[0])
        assert found
        return int(found[1])

    def connect(self, **options: Any) -> Talker:
        """Connect a talker. They have not read anything yet."""
        return self.connect_to(("127.0.0.1", self.port), **options)

    def connect_to(self, address: tuple[str, int] | str, **options: Any) -> Talker:
        """Connect a talker to *address*, if the daemon has several."""
        talker = Talker.connect(address, **options)
        self.talkers.append(talker)
        return talker

    def guest(self) -> Talker:
        """Connect a talker, and read the greeting."""
        talker = self.connect()
        talker.sees("Welcome to the chatroom!")
        talker.sees_matching(r"\* You are guest-\d+, .*")
        return talker

    def person(self, name: str) -> Talker:
        """Connect a talker and name them."""
        talker = self.guest()
        talker.says(f"/nick {name}")
        talker.sees(f"* You are now {name}")
        return talker

    def threads(self) -> int:
        """The number of threads of the process."""
        return len(os.listdir(f"/proc/{self.process.pid}/task"))

    def descriptors(self) -> int:
        """The number of open descriptors of the process."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def resident_bytes(self) -> int:
        """The memory that the process has in use."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal if the daemon still runs. Wait for its end, and return the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(DEADLINE)
