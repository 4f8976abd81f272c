"""One worker process: an event, and its end, however it takes it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.waiting import until
from tests.workers.serving import captured_log, command, environment, event
from threadchat.base.errors import ExecTimeout
from threadchat.config.sections import Spawn
from threadchat.workers.dialogue import EventNotTaken
from threadchat.workers.launcher import Launcher
from threadchat.workers.payload import Reply, Verdict
from threadchat.workers.process import State, WorkerProcess


@contextmanager
def worker(script: str) -> Iterator[WorkerProcess]:
    """Give a worker that is ready; the test ends it."""
    log, _ = captured_log()
    launcher = Launcher(Spawn.model_validate({"command": command(script), "env": environment()}), log)
    yield launcher.launch(30, 0)
    launcher.close()


def exchanged(worker: WorkerProcess, event: bytes, timeout: float | None) -> Reply:
    """Give an event; return the answer."""
    worker.give(event, timeout)
    return worker.take(timeout)


def test_an_event_is_answered() -> None:
    """And it is ready for the next."""
    with worker("good") as good:
        assert exchanged(good, event(b"hello\r\n"), None) == Reply(Verdict.WRITE, b"hello\r\n")
        assert good.state.value == "ready"
        assert good.resident_bytes() > 1_000_000
        assert "tests.workers.bad.good" in good.command
        assert good.stop() == 0
        assert good.state is State.STOPPED
        assert good.resident_bytes() == 0


def test_a_farewell_is_read() -> None:
    """The PHP library says CLOSE once more when it is told to stop, and fails if nobody reads it."""
    with worker("says_farewell") as polite:
        assert polite.stop() == 0


def test_one_that_ignores_stop_and_sigterm_is_killed() -> None:
    """After its time."""
    with worker("ignores_stop") as stubborn:
        assert stubborn.stop(0.05) == -signal.SIGKILL


def test_one_that_hangs_is_not_waited_for() -> None:
    """Its event has had its time; it is killed at once."""
    with worker("hangs") as hanging:
        with pytest.raises(ExecTimeout):
            exchanged(hanging, event(b"bad\r\n"), 0.05)
        assert hanging.state is State.INVALID
        assert hanging.stop() == -signal.SIGKILL


def test_one_that_died_did_not_take_the_event() -> None:
    """So that another can have it."""
    with worker("good") as good:
        os.kill(good.pid, signal.SIGKILL)
        os.waitid(os.P_PID, good.pid, os.WEXITED | os.WNOWAIT)
        with pytest.raises(EventNotTaken):
            exchanged(good, event(b"hello\r\n"), None)
        good.stop()


def test_what_it_started_ends_with_it() -> None:
    """Its process group is killed, so that no grandchild keeps a descriptor of ours open."""
    with worker("starts_a_child") as parent:
        child = int(exchanged(parent, event(b"bad\r\n"), None).body)
        parent.stop()
        until(lambda: not os.path.exists(f"/proc/{child}") or _zombie(child), "the grandchild to be gone")


def test_it_cannot_go_back() -> None:
    """The states are a table, and what is not in it is a bug of ours."""
    with worker("good") as good:
        good.stop()
        with pytest.raises(AssertionError, match="stopped cannot become ready"):
            good.become(State.READY)


def _zombie(pid: int) -> bool:
    """A process whose parent has gone waits for init, which may not be quick about it in a container."""
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0] == "Z"
