"""Answers with a frame whose CRC is wrong."""

from __future__ import annotations

from tests.workers.raw import reply, send, serve


def bad(_: str) -> None:
    answer = bytearray(reply(b"WRITE", b"leak"))
    answer[6] ^= 1
    send(bytes(answer))


serve(bad)
