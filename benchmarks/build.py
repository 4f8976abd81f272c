"""Compiles the load generators and the C and Go peers into benchmarks/bin, which git ignores."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from benchmarks.peers import find_program

HERE = Path(__file__).parent
BIN = HERE / "bin"
SERVERS = HERE / "servers"
LOAD = HERE / "load"

C_PROGRAMS = {
    "fanload": [LOAD / "fanload.c", LOAD / "lines.c", LOAD / "load.c"],
    "pingload": [LOAD / "pingload.c", LOAD / "load.c"],
    "ceiling": [SERVERS / "ceiling.c"],
    "worker_threads": [SERVERS / "worker_threads.c"],
}
GO_PROGRAMS = {name: SERVERS / f"{name}.go" for name in ("hub", "goroutine_per_write", "echo", "rr_host")}


class BuildError(Exception):
    """A program did not compile; the message is the compiler's."""


def build() -> None:
    """Compile what can be compiled here. Without gcc nothing can be measured; without Go, the peers in Go are missing.

    Raises BuildError.
    """
    BIN.mkdir(exist_ok=True)
    gcc, go = find_program("gcc"), find_program("go")
    if gcc is None:
        raise BuildError("gcc is not installed: the load generators are written in C")
    for name, sources in C_PROGRAMS.items():
        _compile([gcc, "-O2", "-Wall", "-o", str(BIN / name), *map(str, sources)])
    if go is not None:
        for name, source in GO_PROGRAMS.items():
            _compile([go, "build", "-o", str(BIN / name), str(source)])


def _compile(command: list[str]) -> None:
    # Go needs HOME for its cache, and would look for a module in the current directory without GO111MODULE
    environment = {**os.environ, "GO111MODULE": "off", "GOFLAGS": ""}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode != 0:
        raise BuildError(f"{' '.join(command)}\n{done.stderr}")
