"""Starts a peer, waits until it listens, and stops it; runs a load generator against it."""

from __future__ import annotations

import json
import re
import resource
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.build import BIN, SERVERS
from benchmarks.peers import Peer, find_program

START_SECONDS = 15.0
STOP_SECONDS = 5.0
LOAD_SECONDS = 240.0


class MeasurementError(Exception):
    """A peer did not start, or the load generator could not finish; the message says which and why."""


@dataclass(frozen=True)
class Running:
    pid: int
    port: int
    nofile: int  # the most descriptors this process may open


def raise_descriptor_limit() -> int:
    """Raise our soft limit, which every child inherits, to the hard one; return it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


@contextmanager
def running(peer: Peer, app: str) -> Iterator[Running]:
    """Give one fresh server on a free port; it is stopped at the end. Raises MeasurementError if it does not start."""
    port = _free_port()
    with tempfile.TemporaryDirectory(prefix="threadchat-bench-") as directory:
        config = Path(directory, "config.toml")
        values = {"port": port, "app": app, "python": sys.executable, "servers": SERVERS, "directory": directory}
        config.write_text(peer.config.format(**values))
        log_path = Path(directory, "log")
        command = _command(getattr(peer, app), port, config)
        with log_path.open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=directory)
        try:
            _wait_until_listening(process, port, peer, log_path)
            yield Running(process.pid, port, _nofile(process.pid))
        finally:
            _stop(process)


def _command(template: str, port: int, config: Path) -> list[str]:
    filled = template.format(
        port=port,
        config=config,
        python=sys.executable,
        bin=BIN,
        servers=SERVERS,
        ngircd=find_program("ngircd"),
        ncat=find_program("ncat"),
    )
    return shlex.split(filled)


def _free_port() -> int:
    """Return a free port below the ephemeral range: the 10,000 outgoing connections take theirs from that."""
    for port in range(20000 + time.time_ns() % 10000, 32000):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise MeasurementError("no free port")


def _wait_until_listening(process: subprocess.Popen[bytes], port: int, peer: Peer, log: Path) -> None:
    """Look in /proc/net/tcp (state 0A is LISTEN). A connection to try it would be a member that comes and goes."""
    listening = f" 0100007F:{port:04X} 00000000:0000 0A "
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise MeasurementError(f"{peer.title} ended with {process.returncode}: {_last_lines(log)}")
        if listening in Path("/proc/net/tcp").read_text():
            return
        time.sleep(0.02)
    raise MeasurementError(f"{peer.title} does not listen after {START_SECONDS:.0f} s: {_last_lines(log)}")


def _last_lines(log: Path) -> str:
    return " / ".join(log.read_text(errors="replace").splitlines()[-3:])


def _nofile(pid: int) -> int:
    found = re.search(r"Max open files\s+(\d+)", Path(f"/proc/{pid}/limits").read_text())
    return int(found[1]) if found else 0


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def run_load(program: str, server: Running, options: str) -> dict[str, float]:
    """Run fanload or pingload against `server`; return its result. Raises MeasurementError."""
    command = [str(BIN / program), "--port", str(server.port), "--pid", str(server.pid), *options.split()]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LOAD_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise MeasurementError(f"{program} was not done after {LOAD_SECONDS:.0f} s") from None
    if done.returncode != 0:
        raise MeasurementError(f"{program}: {done.stderr.strip() or f'status {done.returncode}'}")
    result: dict[str, float] = json.loads(done.stdout)
    return result
