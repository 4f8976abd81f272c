"""Starting workers: what they find around them, and the sentence for each way in which it can fail."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from structlog.testing import LogCapture

import threadchat
from tests.waiting import until
from tests.workers.serving import captured_log, command, environment
from threadchat.base.errors import WorkerStartError
from threadchat.config.sections import Spawn
from threadchat.workers.launcher import Launcher, resolve

#: Says what it finds around it, then shakes hands.
SHOW = """
import os, sys
from tests.workers.raw import serve
for name in sorted(os.environ):
    if name.startswith(("RR_", "MY_")): print(name, os.environ[name], file=sys.stderr)
print("group", os.getpgid(0) == os.getpid(), "parent's", os.getpgid(0) == os.getpgid(os.getppid()), file=sys.stderr)
serve(lambda _: None)
"""


@contextmanager
def launching(words: list[str], rpc: str = "", **options: Any) -> Iterator[tuple[Launcher, LogCapture]]:
    """Give a launcher for a command."""
    log, capture = captured_log()
    env = environment(options.pop("env", None))
    launcher = Launcher(Spawn.model_validate({"command": words, "env": env, **options}), log, rpc=rpc)
    yield launcher, capture
    launcher.close()


def lines(capture: LogCapture) -> list[str]:
    return [entry["line"] for entry in capture.entries if entry["event"] == "worker_stderr"]


def test_a_worker_finds_what_roadrunner_gives_it() -> None:
    """Relay, mode, version, RPC, its own variables in upper case with others expanded, a process group of its own."""
    env = {"my_home": "$HOME/x"}
    with launching([sys.executable, "-c", SHOW], rpc="unix:///run/x.sock", env=env) as (launcher, capture):
        launcher.launch(30, 0).stop()
        until(lambda: len(lines(capture)) == 6, "what it found")

    assert lines(capture) == [
        f"MY_HOME {os.environ['HOME']}/x",
        "RR_MODE tcp",
        "RR_RELAY pipes",
        "RR_RPC unix:///run/x.sock",
        f"RR_VERSION {threadchat.__version__}",
        "group True parent's False",
    ]


@pytest.mark.parametrize(
    ("words", "timeout", "message"),
    [
        (["/nowhere/php", "worker.php"], 30, "No such file or directory: /nowhere/php"),
        (["/etc/passwd"], 30, "Permission denied: /etc/passwd"),
        (
            command("dies_at_start"),
            30,
            "exited with status 1 before it said who it is: look for worker_stderr",
        ),
        (["true"], 30, "exited with status 0 before it said who it is: a worker waits for events"),
        (["sh", "-c", "kill -9 $$"], 30, "killed by signal 9"),
        (command("prints_at_start"), 30, "Could not open input file: worker.php"),
        (command("hangs_at_start"), 0.05, "did not say who it is within 0.05 s (allocate_timeout)"),
        (command("has_no_pid"), 30, "no process id"),
    ],
)
def test_a_start_that_fails_says_why(words: list[str], timeout: float, message: str) -> None:
    """And leaves nothing behind."""
    with launching(words) as (launcher, _), pytest.raises(WorkerStartError, match=re.escape(message)) as caught:
        launcher.launch(timeout, 0)

    assert words[0] in str(caught.value)


def test_what_it_wrote_to_standard_error_is_logged() -> None:
    """That is where the reason is."""
    with launching(command("dies_at_start")) as (launcher, capture):
        with pytest.raises(WorkerStartError):
            launcher.launch(30, 0)
        until(lambda: lines(capture), "the reason")

    assert lines(capture) == ["no database"]


@pytest.mark.parametrize("python", ["python", "python3"])
def test_python_is_the_daemons_own(python: str) -> None:
    """It has threadchat.sdk, and is there, whatever PATH says. What is shown is what was written."""
    words = [python, "-c", "import sys; print(sys.executable, file=sys.stderr)"]
    with launching(words, env={"PATH": "/nowhere"}) as (launcher, capture):
        with pytest.raises(WorkerStartError, match=f"worker '{python} -c"):
            launcher.launch(30, 0)
        until(lambda: lines(capture), "what it is")

    assert lines(capture) == [sys.executable]


def test_another_program_is_itself() -> None:
    assert resolve(["/usr/bin/python3", "python"]) == ("/usr/bin/python3", "python")
    assert resolve(["python", "worker.py"]) == (sys.executable, "worker.py")


def test_the_pools_command_wins() -> None:
    """As pool.command does in RoadRunner."""
    log, _ = captured_log()
    launcher = Launcher(Spawn(command=("a",)), log, command=("b", "c"))
    launcher.close()

    assert launcher.command == ("b", "c")


def test_a_wrapper_in_a_shell_works() -> None:
    """On pipes the pid in the answer need not be that of the process that was started."""
    with launching(["sh", "-c", 'true; "$0" "$@"', *command("good")]) as (launcher, _):
        worker = launcher.launch(30, 0)
        assert worker.stop() == 0


def test_no_worker_starts_once_it_is_over() -> None:
    """One that has just been started is ended."""
    with launching(command("good")) as (launcher, _):
        launcher.cancel()
        with pytest.raises(WorkerStartError, match="killed by signal 9"):
            launcher.launch(30, 0)
