"""A program in a terminal of its own, as a person at a keyboard meets it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pexpect

from tests.waiting import DEADLINE


@contextmanager
def terminal(command: str, *arguments: str) -> Iterator[pexpect.spawn[str]]:
    """Run a program in a terminal of its own."""
    child = pexpect.spawn(command, list(arguments), encoding="utf-8", timeout=DEADLINE)
    try:
        yield child
    finally:
        child.close(force=True)


@contextmanager
def client(port: int, *options: str) -> Iterator[pexpect.spawn[str]]:
    """Run threadchat-client, without its screen, against a port of this machine."""
    arguments = ["-c", "from threadchat.client.cli import main; main()", "localhost", str(port), *options]
    with terminal(sys.executable, *arguments) as session:
        yield session
