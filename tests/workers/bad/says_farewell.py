"""Answers the stop command with one more frame, as the PHP library does, and fails if nobody reads it."""

from __future__ import annotations

import os

from tests.workers.raw import reply, send, serve


def farewell() -> None:
    send(reply(b"CLOSE"))
    os._exit(0)


serve(lambda _: None, on_stop=farewell)
