"""Behaves."""

from __future__ import annotations

from tests.workers.raw import reply, send, serve


def bad(message: str) -> None:
    send(reply(b"WRITE", message.encode()))


serve(bad)
