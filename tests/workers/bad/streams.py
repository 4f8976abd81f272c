"""Answers with a stream, which TCP does not have."""

from __future__ import annotations

from tests.workers.raw import frame, send, serve


def bad(_: str) -> None:
    send(frame(b"WRITEleak", (5,), stream=1), frame(b"WRITEmore", (5,)))


serve(bad)
