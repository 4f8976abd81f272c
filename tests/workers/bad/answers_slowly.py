"""Takes a moment to answer."""

from __future__ import annotations

import time

from tests.workers.raw import reply, send, serve


def slowly(_: str) -> None:
    time.sleep(0.3)
    send(reply(b"CONTINUE"))


serve(slowly)
