"""Understands the handshake at its start only; any later control frame ends it."""

from __future__ import annotations

import os

from tests.workers.raw import frame, read, reply, send

read()
send(frame(b'{"pid":%d}' % os.getpid(), flags=1))
while True:
    flags, options, payload = read()
    if flags & 1:
        os._exit(0)
    body = payload[options[0] :]
    if body:
        send(reply(b"WRITE", body))
    else:
        send(reply(b"CONTINUE"))
    if body.startswith(b"bad"):
        send(reply(b"WRITE", b"leak\r\n"))
