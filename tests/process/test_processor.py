"""One processor for one interpreter lock."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Serve
from threadchat.process import processor


def _processors(pid: int) -> str:
    """Return what the kernel says a process may run on, as it writes it."""
    (line,) = [s for s in Path(f"/proc/{pid}/status").read_text().splitlines() if s.startswith("Cpus_allowed_list:")]
    return line.split()[1]


def test_the_daemon_and_all_its_threads_stay_on_one_processor(serve: Serve) -> None:
    """Also those that are started later; and none interrupts another."""
    chat = serve()
    chat.guest()
    tasks = [int(task) for task in os.listdir(f"/proc/{chat.process.pid}/task")]
    allowed = {_processors(task) for task in tasks}
    assert len(allowed) == 1
    assert allowed.pop().isdigit()
    assert {os.sched_getscheduler(task) for task in tasks} == {os.SCHED_BATCH}


def test_it_can_be_told_to_use_them_all(serve: Serve, tmp_path: Path) -> None:
    """``one_processor = false``."""
    config = tmp_path / "all.toml"
    config.write_text('[daemon]\none_processor = false\n[tcp.servers.lobby]\naddr = "tcp://127.0.0.1:0"\n')
    chat = serve("--config", str(config))
    chat.guest()
    assert _processors(chat.process.pid) == _processors(os.getpid())
    assert os.sched_getscheduler(chat.process.pid) == os.sched_getscheduler(0)


def test_a_child_is_let_go() -> None:
    """A worker process may run anywhere."""
    program = (
        "import os, subprocess, sys; from threadchat.process import processor; before = processor.settle();"
        "child = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE);"
        "processor.release(child.pid, before);"
        "print(os.sched_getaffinity(child.pid) == before.processors);"
        "print(os.sched_getscheduler(child.pid) == before.policy);"
        "child.communicate(b'\\n')"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout == "True\nTrue\n"


def test_an_interpreter_without_the_lock_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """It can run on all of them at the same time."""
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    before = os.sched_getaffinity(0)
    assert processor.settle().processors == before
    assert os.sched_getaffinity(0) == before
