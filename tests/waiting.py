"""Waiting for things without sleeping for a guessed time."""

from __future__ import annotations

import time
from collections.abc import Callable

#: Nothing that works takes this long, even on a busy machine, in seconds.
DEADLINE = 30.0


def until(condition: Callable[[], object], what: str, deadline: float = DEADLINE) -> None:
    """Return as soon as *condition* holds; fail, saying *what* was waited for, after *deadline* seconds."""
    end = time.monotonic() + deadline
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"waited {deadline:g} s in vain: {what}")
        time.sleep(0.005)
