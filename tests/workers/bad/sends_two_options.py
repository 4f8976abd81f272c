"""Answers with a frame that has two option words."""

from __future__ import annotations

from tests.workers.raw import frame, send, serve


def bad(_: str) -> None:
    send(frame(b"WRITEleak", (5, 5)))


serve(bad)
