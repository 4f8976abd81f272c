"""How long thousands of connections are without a daemon while it replaces itself (SIGUSR2), and where that time goes.

    python -m benchmarks.handover [CONNECTIONS] [--replacements N] [--load]

This is not a scenario of the suite, because no peer can do it. It prints the times between entries of the daemon's own
log, and the time from the first entry until the last connection has seen a line that was said in between. Nobody may be
disconnected. Run it as an ordinary user: a hand-over takes no privilege.

With ``--load`` a hundred people talk in another room all the time, and each of them must see each line once.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.process import raise_descriptor_limit
from tests.crowd import Crowd

CONFIG = """[tcp.servers.lobby]
addr = "tcp://127.0.0.1:0"
[tcp.servers.lobby.limits]
max_connections = 20000
flood_lines_per_second = 0.0
"""
#: A step ends with one of these log entries, and begins with the one before it (the first one with "replacing").
STEPS = {
    "handed_over": "kept: everybody is parked and their state is saved",
    "connections_taken_over": "the new program has started, and knows everybody",
    "listening": "their threads are started",
}
WHOLE = "the whole, until a line said meanwhile was seen by the last"
TALKERS = 100


class Daemon:
    """A chat room. Its log is searched as text while it runs: parsing it would take processor time from the daemon."""

    def __init__(self, directory: Path) -> None:
        config = directory / "config.toml"
        self.log = directory / "log"
        config.write_text(CONFIG)
        with self.log.open("wb") as out:
            command = [sys.executable, "-m", "threadchat", "serve", "--config", str(config)]
            self.process = subprocess.Popen(command, stderr=out)
        self.port = int(self.wait_for("listening", 1)["address"].rpartition(":")[2])

    def wait_for(self, event: str, count: int) -> dict[str, str]:
        """Wait until the log has *count* entries of an *event*; return the last of those."""
        while self.log.read_text().count(f'"{event}"') < count:
            assert self.process.poll() is None, "the daemon has ended"
            time.sleep(0.02)
        return [entry for entry in self.entries() if entry["event"] == event][count - 1]

    def entries(self) -> list[dict[str, str]]:
        """Return the log so far."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]


def measure(count: int, replacements: int, load: bool) -> Iterator[dict[str, float]]:
    """Yield the seconds of each step, for each replacement. Raises AssertionError if somebody is disconnected."""
    with tempfile.TemporaryDirectory() as directory:
        daemon = Daemon(Path(directory))
        crowd = None
        try:
            if load:
                sockets = [_connect(daemon.port, number) for number in range(TALKERS)]
                for sock in sockets:
                    sock.sendall(b"/join den\n")
                crowd = Crowd(sockets)
                crowd.talks(in_pieces=True)
            people = [_greeted(daemon.port, number) for number in range(count)]
            for number in range(1, replacements + 1):
                yield _replace(daemon, people, number)
            if crowd:
                crowd.falls_silent()
                assert crowd.lost() == 0, "lines were lost"
        finally:
            if crowd:
                crowd.leaves()
            daemon.process.terminate()
            daemon.process.wait()


def _connect(port: int, number: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), source_address=(f"127.0.{number % 8 + 1}.1", 0))


def _greeted(port: int, number: int) -> socket.socket:
    person = _connect(port, number)
    person.recv(1000)
    return person


def _replace(daemon: Daemon, people: list[socket.socket], number: int) -> dict[str, float]:
    time.sleep(len(people) / 1000 + 2)  # condensed notices are one millisecond per member apart
    for person in people:
        with contextlib.suppress(BlockingIOError):
            assert person.recv(1 << 20, socket.MSG_DONTWAIT), "a connection was closed"
    daemon.process.send_signal(signal.SIGUSR2)
    daemon.wait_for("handed_over", number)
    people[0].sendall(b"Is anybody there?\n")
    for person in people[1:]:
        heard = b""
        while b"Is anybody there?" not in heard:
            heard += (got := person.recv(1000))
            assert got, "a connection was closed"
    heard_at = datetime.now(UTC)
    entries = [daemon.wait_for("replacing", number)]
    entries += [daemon.wait_for(event, number + (event == "listening")) for event in STEPS]
    times = [datetime.fromisoformat(entry["timestamp"]) for entry in entries]
    found = {step: (times[i + 1] - times[i]).total_seconds() for i, step in enumerate(STEPS.values())}
    return found | {WHOLE: (heard_at - times[0]).total_seconds()}


def main() -> None:
    """Measure, and print the median and the worst of each step."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.handover", description=__doc__.splitlines()[0])
    parser.add_argument("connections", nargs="?", type=int, default=9900)
    parser.add_argument("--replacements", type=int, default=5)
    parser.add_argument("--load", action="store_true", help="a hundred people talk in another room")
    options = parser.parse_args()
    raise_descriptor_limit()
    rounds = list(measure(options.connections, options.replacements, options.load))
    print(f"{options.connections} connections, {len(rounds)} replacements, user {os.getuid()}: median and worst, s")
    for step in rounds[0]:
        seconds = [found[step] for found in rounds]
        print(f"{statistics.median(seconds):6.2f} {max(seconds):6.2f}  {step}")


if __name__ == "__main__":
    main()
