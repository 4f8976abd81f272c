"""Answers the handshake without a process id."""

from __future__ import annotations

from tests.workers.raw import frame, read, send

read()
send(frame(b'{"pid":0}', flags=1))
read()
