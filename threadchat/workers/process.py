"""
One worker process: its start and handshake, its states, one event at a time, its end.

One thread at a time holds a worker: first the one that starts it, then the one that the dispatcher gives it to. Any
thread may call :meth:`WorkerProcess.kill`, and ``recall`` under the dispatcher's lock. Which thread holds which worker
is for dispatcher.py and roster.py to say.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import threading
import time
from enum import Enum
from pathlib import Path

from threadchat.base.errors import (
    ExecTimeout,
    FrameError,
    Unanswered,
    WorkerCrashed,
    WorkerError,
    WorkerReported,
    WorkerViolation,
)
from threadchat.workers.dialogue import Dialogue
from threadchat.workers.payload import STOP_FRAME, Reply, read_reply

#: How long a worker may take to end, in seconds: after the stop command, and then after SIGTERM.
STOP_SECONDS = 10.0
TERMINATE_SECONDS = 2.0
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class State(Enum):
    """The states of a worker, by RoadRunner's names."""

    READY = "ready"
    WORKING = "working"
    INVALID = "invalid"  # to be replaced: it broke the protocol, died, or did not answer in time
    STOPPING = "stopping"
    STOPPED = "stopped"


#: Looked up for every event. To look up a member of an enumeration takes six times as long as a name in a module.
READY, WORKING = State.READY, State.WORKING

_NEXT = {
    State.READY: {State.WORKING, State.INVALID, State.STOPPING},
    State.WORKING: {State.READY, State.INVALID, State.STOPPING},
    State.INVALID: {State.STOPPING},
    State.STOPPING: {State.STOPPED},
    State.STOPPED: set[State](),
}


class WorkerProcess:
    """A worker that has said who it is. ``max_jobs`` 0: no limit."""

    def __init__(self, process: subprocess.Popen[bytes], dialogue: Dialogue, max_jobs: int) -> None:
        self._process = process
        self._dialogue = dialogue
        self._relay = dialogue.relay
        self._reaping = threading.Lock()
        self.pid = process.pid
        self.state = State.READY
        self.max_jobs = max_jobs
        self.jobs = 0  # counted by the dispatcher: events it has been given
        self.takes_ahead = dialogue.takes_ahead
        #: Send it one more event behind the one that it has. False: there is no room now.
        self.give_ahead = dialogue.give_ahead
        #: Take back the first event that it has not begun to read, and return it; b"" if there is none.
        self.recall = dialogue.recall
        self.exited = False  # noted by the thread worker-log
        self.retirement = ""  # why it shall be replaced as soon as it is idle; see Dispatcher.withhold
        self.created_ns = time.time_ns()
        self.started_at = self.last_used_at = time.monotonic()

    @property
    def command(self) -> str:
        """The command that was started."""
        return subprocess.list2cmdline(self._process.args)  # type: ignore[arg-type]

    def become(self, state: State) -> None:
        """Change the state. Raises AssertionError for a change that the table does not know."""
        if state not in _NEXT[self.state]:
            raise AssertionError(f"a worker that is {self.state.value} cannot become {state.value}")
        self.state = state

    def invalidate(self, why: str) -> None:
        """Note that it is of no more use, and why. Only the first reason counts."""
        if self.state is not State.INVALID:
            self.retirement = why
            self.become(State.INVALID)

    @property
    def takes_at_once(self) -> bool:
        """Whether :meth:`give` will not wait, if the event fits into its relay."""
        return not self._dialogue.owes

    def give(self, event: bytes, timeout: float | None, *, closing: bool = False) -> None:
        """
        Have it handle *event*, an encoded frame. A *closing* event may go without an answer.

        Raises WorkerError, after which it is INVALID.
        """
        self.state = WORKING  # it was READY, as idle workers are; become() would cost as much as the rest
        try:
            self._dialogue.give(event, timeout, closing=closing)
        except WorkerError as problem:
            self.invalidate(str(problem))
            raise

    def take(self, timeout: float | None) -> Reply:
        """
        Return the answer to the oldest event without one.

        Raises WorkerReported, Unanswered and ReplaceMe, after which the worker is as good as before. After any other
        WorkerError it is INVALID. It is also INVALID after a second frame for this event, but the first frame counts.
        """
        try:
            frame = self._dialogue.take(timeout)
            if self._dialogue.problem:
                self.invalidate(self._dialogue.problem)
            return read_reply(frame, self._dialogue.options)
        except (WorkerReported, Unanswered):
            raise
        except FrameError as problem:
            self.invalidate(str(problem))
            raise WorkerViolation(str(problem)) from None
        except WorkerError as problem:
            self.invalidate(str(problem))
            raise
        finally:
            self.last_used_at = time.monotonic()
            if self.state is WORKING:
                self.state = READY

    def resident_bytes(self) -> int:
        """Return its resident memory in bytes; 0 if it is gone."""
        try:
            return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * _PAGE_BYTES
        except (OSError, IndexError):
            return 0

    def cpu_percent(self) -> float:
        """Return how much of one processor it has used since it was started, in percent; 0 if it is gone."""
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        used = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # utime, stime: proc(5)
        return round(100 * used / max(time.monotonic() - self.started_at, 0.01), 1)

    def kill(self) -> None:
        """Kill it and its process group. A thread that waits for its answer sees the relay close."""
        self._signal(signal.SIGKILL)

    def stop(self, seconds: float = STOP_SECONDS) -> int:
        """
        End it for good and return its exit status: send the stop command, then SIGTERM, then SIGKILL.

        It has time to end after each of them. What it still writes is read and dropped: the PHP library sends one more
        frame as a farewell, and fails if nobody reads it. An INVALID worker is killed at once.
        """
        polite = self.state is not State.INVALID and not self.exited
        self.become(State.STOPPING)
        exit_fd = os.pidfd_open(self.pid)
        try:
            if polite:
                self._ask_to_stop(exit_fd, seconds)
            self.kill()
            _wait(exit_fd, None)
        finally:
            os.close(exit_fd)
            self._relay.close()
        self.become(State.STOPPED)
        with self._reaping:
            return self._process.wait()

    def _ask_to_stop(self, exit_fd: int, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        with contextlib.suppress(WorkerCrashed, ExecTimeout):
            self._relay.send(STOP_FRAME, seconds)
            self._relay.drain(exit_fd, seconds)
        if not _wait(exit_fd, deadline - time.monotonic()):
            self._signal(signal.SIGTERM)
            _wait(exit_fd, min(seconds, TERMINATE_SECONDS))

    def _signal(self, number: signal.Signals) -> None:
        with self._reaping:  # once it is reaped, its number may be another group's
            if self._process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.pid, number)


def _wait(exit_fd: int, seconds: float | None) -> bool:
    """Return whether the process behind a pidfd has exited, waiting for at most *seconds*."""
    poll = select.poll()
    poll.register(exit_fd, select.POLLIN)
    return bool(poll.poll(None if seconds is None else max(0.0, seconds) * 1000))
