"""Asks to be replaced, whatever it is asked."""

from __future__ import annotations

from tests.workers.raw import reply, send, serve


def bad(_: str) -> None:
    send(reply(b'{"stop":true}'))


serve(bad)
