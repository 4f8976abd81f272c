"""Sends a second frame for an event a little later."""

from __future__ import annotations

import time

from tests.workers.raw import reply, send, serve


def bad(_: str) -> None:
    send(reply(b"WRITE", b"first\r\n"))
    time.sleep(0.1)
    send(reply(b"WRITE", b"leak\r\n"))


serve(bad)
