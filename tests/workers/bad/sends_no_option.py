"""Answers with a frame that has no option word."""

from __future__ import annotations

from tests.workers.raw import frame, send, serve


def bad(_: str) -> None:
    send(frame(b"WRITEleak"))


serve(bad)
