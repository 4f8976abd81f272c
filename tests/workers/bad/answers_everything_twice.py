"""Sends two frames for every message."""

from __future__ import annotations

import os

from tests.workers.raw import reply, send, serve


def answer_twice(message: str) -> None:
    send(reply(b"WRITE", message.encode()))
    send(reply(b"WRITE", b"leak " + message.encode()))


os.environ["BAD_AT"] = "DATA"
serve(answer_twice)
