"""Prints to its standard output, where frames belong."""

from __future__ import annotations

from tests.workers.raw import reply, send, serve


def bad(_: str) -> None:
    send(b"Notice: leak in line 7\n", reply(b"WRITE", b"leak"))


serve(bad)
