"""Answers with a context longer than the payload."""

from __future__ import annotations

from tests.workers.raw import frame, send, serve


def bad(_: str) -> None:
    send(frame(b"WRITEleak", (999,)))


serve(bad)
