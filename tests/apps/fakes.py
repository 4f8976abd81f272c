"""A connection for apps that need no socket."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, cast

from tests.fakes import ListSink
from threadchat.base.errors import CloseReason
from threadchat.net.connection import Connection


class FakeConnection(ListSink):
    """What an app uses of its connection; keeps what is sent, and does not really sleep."""

    def __init__(self) -> None:
        super().__init__()
        self.reason: CloseReason | None = None
        self.slept: list[float] = []
        self.waited = 0
        self.kept = True
        self.app_state: Callable[[], dict[str, Any]] = dict
        self.saved: list[dict[str, Any]] = []

    def __call__(self) -> Connection:
        """Return this as what the app takes it for."""
        return cast(Connection, self)

    def answer(self, data: bytes) -> None:
        """Keep *data*."""
        self.send(data)

    def wait_sent(self) -> None:
        """Note it."""
        self.waited += 1

    def save(self) -> None:
        """Keep what the app says of itself, as JSON would."""
        self.saved.append(json.loads(json.dumps(self.app_state())))

    def close(self, reason: CloseReason) -> None:
        """Note the first *reason*."""
        self.end(reason)

    def end(self, reason: CloseReason) -> None:
        """Note the first *reason*."""
        self.reason = self.reason or reason

    def sleep(self, seconds: float) -> None:
        """Note that it would have slept; as in a connection that is ending, no time passes."""
        self.slept.append(seconds)
        assert len(self.slept) < 100_000, "spinning"

    def hears(self) -> list[str]:
        """Return the lines sent since the last call."""
        lines = self.lines
        self.pieces.clear()
        return lines
