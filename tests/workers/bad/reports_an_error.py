"""Answers with an error frame."""

from __future__ import annotations

from tests.workers.raw import frame, send, serve


def bad(_: str) -> None:
    send(frame(b"boom", flags=0x40))


serve(bad)
