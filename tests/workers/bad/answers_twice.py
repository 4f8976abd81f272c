"""Sends two frames for one event, in two writes."""

from __future__ import annotations

from tests.workers.raw import reply, send, serve


def bad(_: str) -> None:
    send(reply(b"WRITE", b"first\r\n"))
    send(reply(b"WRITE", b"leak\r\n"))


serve(bad)
