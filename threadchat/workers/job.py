"""An event on its way to a worker, and what became of it."""

from __future__ import annotations

from collections.abc import Callable
from select import PIPE_BUF

from threadchat.base.errors import WorkerError
from threadchat.workers.payload import Reply

#: What became of an event.
Outcome = Reply | WorkerError


class Job:
    """
    An event: its encoded frame, the seconds that a worker has for it, and the callback for its outcome.

    *done* is called once, in any thread, with no lock held. It must neither block nor raise. A *closing* event may go
    without an answer.
    """

    __slots__ = ("closing", "done", "event", "fits", "requests", "timeout")

    def __init__(
        self, event: bytes, timeout: float | None, done: Callable[[Outcome], None], *, closing: bool = False
    ) -> None:
        self.event = event
        self.timeout = timeout
        self.done = done
        self.closing = closing
        self.fits = len(event) <= PIPE_BUF  # into any relay at once, if the worker has read the event before: pipe(7)
        self.requests = 0  # how many workers that had it asked to be replaced
