"""Waiting for a condition, instead of sleeping for a guessed time."""

from __future__ import annotations

import time
from collections.abc import Callable

#: In seconds. Nothing takes this long if it works, even on a busy machine.
DEADLINE = 30.0


def until(condition: Callable[[], object], what: str, deadline: float = DEADLINE) -> None:
    """Return as soon as *condition* holds. After *deadline* seconds, fail, and say *what* did not come."""
    end = time.monotonic() + deadline
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"waited {deadline:g} s in vain: {what}")
        time.sleep(0.005)
