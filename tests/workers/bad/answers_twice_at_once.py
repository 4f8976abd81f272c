"""Sends two frames for one event, in one write."""

from __future__ import annotations

from tests.workers.raw import reply, send, serve


def bad(_: str) -> None:
    send(reply(b"WRITE", b"first\r\n"), reply(b"WRITE", b"leak\r\n"))


serve(bad)
