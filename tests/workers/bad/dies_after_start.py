"""Shakes hands and ends."""

from __future__ import annotations

import os

from tests.workers.raw import frame, read, send

read()
send(frame(b'{"pid":%d}' % os.getpid(), flags=1))
