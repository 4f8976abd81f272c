"""Stand-ins for the things that threadchat's core gets from outside: a clock, a timer, receivers, a log."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any, cast

import structlog

from threadchat.base.log import Log


class FakeClock:
    """A monotonic clock that stands still until :meth:`advance` is called."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        """Let *seconds* pass."""
        self.now += seconds


class FakeLater:
    """The timer of a FakeClock. What is due runs in :meth:`pass_time` only."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self._due: list[tuple[float, Callable[[], None]]] = []

    def __call__(self, seconds: float, action: Callable[[], None]) -> None:
        self._due.append((self.clock.now + seconds, action))

    def __len__(self) -> int:
        return len(self._due)

    def pass_time(self, seconds: float) -> None:
        """Let *seconds* pass, and run what has become due."""
        self.clock.advance(seconds)
        ready = [action for when, action in self._due if when <= self.clock.now]
        self._due = [(when, action) for when, action in self._due if when > self.clock.now]
        for action in ready:
            action()


class ListSink:
    """A receiver that keeps what it is sent, piece by piece. While it is ``full``, it refuses what it is offered."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.full = False
        self._on_drained: Callable[[], None] | None = None

    def send(self, data: bytes) -> None:
        """Keep *data*."""
        self.pieces.append(data)

    def answer(self, data: bytes) -> None:
        """Keep *data*."""
        self.send(data)

    def offer(self, data: bytes) -> bool:
        """Keep *data*, unless there is no room."""
        if not self.full:
            self.send(data)
        return not self.full

    def when_drained(self, action: Callable[[], None]) -> bool:
        """If this is full, call *action* when there is room again. Return whether this is full."""
        self._on_drained = action if self.full else None
        return self.full

    def caught_up(self) -> None:
        """Do nothing."""

    def drains(self) -> None:
        """Have room again."""
        self.full = False
        action, self._on_drained = self._on_drained, None
        if action:
            action()

    @property
    def data(self) -> bytes:
        """Everything sent so far."""
        return b"".join(self.pieces)

    @property
    def lines(self) -> list[str]:
        """Everything sent so far, as lines without their ends."""
        return self.data.decode().splitlines()


def recording_log() -> tuple[Log, list[MutableMapping[str, Any]]]:
    """Return a log, and the list to which its events are added."""
    capture = structlog.testing.LogCapture()
    log = structlog.wrap_logger(structlog.testing.ReturnLogger(), processors=[capture])
    return cast(Log, log), capture.entries


def pieces(data: bytes, cuts: list[int]) -> Iterator[bytes]:
    """Cut *data* into pieces, as TCP may. *cuts* are the places; any number will do, since it is taken modulo."""
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    for start, end in itertools.pairwise(places):
        yield data[start:end]
