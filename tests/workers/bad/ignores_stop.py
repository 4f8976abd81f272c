"""Ignores the stop command and SIGTERM."""

from __future__ import annotations

import signal

from tests.workers.raw import serve

signal.signal(signal.SIGTERM, signal.SIG_IGN)
serve(lambda _: None, on_stop=lambda: None)
