"""A worker without a process, for what is above it."""

from __future__ import annotations

import threading
from collections import deque

from threadchat.base.errors import WorkerError
from threadchat.workers.dialogue import EventNotTaken
from threadchat.workers.payload import Reply, Verdict
from threadchat.workers.process import State, WorkerProcess

REPLY = Reply(Verdict.CONTINUE, b"")


class FakeWorker(WorkerProcess):
    """Answers when it is let: its ``gate`` is open unless closed by a test. ``begin`` reads the next event."""

    def __init__(self, *problems: Exception | None, takes_ahead: bool = False, max_jobs: int = 0) -> None:
        self.state = State.READY
        self.retirement = ""
        self.jobs = 0
        self.max_jobs = max_jobs
        self.last_used_at = 0.0
        self.takes_ahead = takes_ahead
        self.full = False  # no more goes into its relay
        self.gone = False  # as whoever gives it an event finds
        self.given: list[bytes] = []
        self.events: list[bytes] = []  # that it has begun
        self.begun = 0  # of these, not yet answered
        self.unread: deque[bytes] = deque()
        self.threads: list[str] = []
        self.gate = threading.Event()
        self.gate.set()
        self.at_once = True
        self.give_ahead = self._give_ahead
        self.recall = self._recall
        self._problems = list(problems)

    @property
    def takes_at_once(self) -> bool:
        return self.at_once

    def give(self, event: bytes, timeout: float | None, *, closing: bool = False) -> None:
        """Take one event."""
        if self.gone:
            self.state = State.INVALID
            raise EventNotTaken("it had died")
        self.state = State.WORKING
        self.given.append(event)
        self.unread.append(event)

    def begin(self) -> None:
        """Read the first event that it has not read."""
        self.events.append(self.unread.popleft())
        self.begun += 1

    def take(self, timeout: float | None) -> Reply:
        """Answer the first event, in the thread that waits for that; fail if that is its problem."""
        self.threads.append(threading.current_thread().name)
        if not self.begun:
            self.begin()
        self.gate.wait()
        self.begun -= 1
        problem = self._problems.pop(0) if self._problems else None
        self.state = State.INVALID if isinstance(problem, WorkerError) else State.READY
        if problem:
            raise problem
        return REPLY

    def _give_ahead(self, frame: bytes) -> bool:
        if not self.full:
            self.given.append(frame)
            self.unread.append(frame)
        return not self.full

    def _recall(self) -> bytes:
        return self.unread.popleft() if self.unread else b""
