"""How long thousands of connections are without a daemon while it replaces itself (SIGUSR2), and where that time goes.

    python -m benchmarks.handover [CONNECTIONS]

Not a scenario of the suite: no peer can do it. What is printed is the time between two entries of the daemon's own log,
and from the signal until a line said in between has been seen by the last connection.
"""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

from benchmarks.process import raise_descriptor_limit

CONFIG = '[tcp.servers.lobby]\naddr = "tcp://127.0.0.1:0"\n[tcp.servers.lobby.limits]\nmax_connections = 20000\n'
#: From one of these entries to the next.
STEPS = {
    "handed_over": "frozen, state saved",
    "connections_taken_over": "the new program, its connections found and restored",
    "listening": "threads started",
}


def measure(count: int) -> dict[str, float]:
    """Return the seconds of each step."""
    with tempfile.TemporaryDirectory() as directory:
        config, log = Path(directory, "config.toml"), Path(directory, "log")
        config.write_text(CONFIG)
        command = [sys.executable, "-m", "threadchat", "serve", "--config", str(config)]
        with log.open("wb") as out, subprocess.Popen(command, stderr=out) as server:
            try:
                address = _wait_for(log, "listening")["address"]
                people = [_person(int(address.rpartition(":")[2]), number) for number in range(count)]
                until_heard = _replace(server, people, log)
                _wait_for(log, "listening", after="replacing")
            finally:
                server.terminate()
            entries = {entry["event"]: entry for entry in _entries(log) if entry["event"] in {"replacing", *STEPS}}
        found = {}
        before = entries["replacing"]
        for event, meaning in STEPS.items():
            found[meaning] = (_time(entries[event]) - _time(before)).total_seconds()
            before = entries[event]
        return found | {"until a line said meanwhile was heard by the last": until_heard}


def _person(port: int, number: int) -> socket.socket:
    person = socket.create_connection(("127.0.0.1", port), source_address=(f"127.0.{number % 8 + 1}.1", 0))
    person.recv(1000)
    return person


def _replace(server: subprocess.Popen[bytes], people: list[socket.socket], log: Path) -> float:
    time.sleep(len(people) / 1000 + 2)  # condensed notices are as far apart as a millisecond a member
    for person in people:
        with contextlib.suppress(BlockingIOError):
            person.recv(1 << 20, socket.MSG_DONTWAIT)
    began = time.monotonic()
    server.send_signal(signal.SIGUSR2)
    _wait_for(log, "handed_over")
    people[0].sendall(b"Is anybody there?\n")
    for person in people[1:]:
        heard = b""
        while b"Is anybody there?" not in heard:
            heard += person.recv(1000)
            assert heard, "a connection was closed"
    return time.monotonic() - began


def _entries(log: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def _wait_for(log: Path, event: str, after: str = "{") -> dict[str, str]:
    """Wait for an entry, after another. It is looked for as text: to parse the log would take the daemon's time."""
    while f'"{event}"' not in log.read_text().partition(after)[2]:
        time.sleep(0.02)
    return next(entry for entry in reversed(_entries(log)) if entry["event"] == event)


def _time(entry: dict[str, str]) -> datetime:
    return datetime.fromisoformat(entry["timestamp"])


if __name__ == "__main__":
    raise_descriptor_limit()
    for step, seconds in measure(int(sys.argv[1]) if len(sys.argv) > 1 else 9900).items():
        print(f"{seconds:6.2f} s  {step}")
