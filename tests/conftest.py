"""Fixtures and hooks for all tests."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests import root
from tests.running import Running
from tests.waiting import until

Serve = Callable[..., Running]

# No deadline: a busy machine is no defect.
settings.register_profile("threadchat", deadline=None, max_examples=100)
settings.load_profile("threadchat")


def _descriptors() -> dict[str, str]:
    found = {}
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found[entry.name] = os.readlink(entry)
        except FileNotFoundError:  # the descriptor of this very listing
            continue
    return found


def _children() -> set[str]:
    tasks = Path(f"/proc/{os.getpid()}/task")
    found: set[str] = set()
    for task in tasks.iterdir():
        try:
            found |= set((task / "children").read_text().split())
        except OSError:  # the thread has just ended
            continue
    return found


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Make a skip a failure if ``CI=true``: everything can be had there. The reasons in root.py are the exception."""
    report = yield
    if report.skipped and os.environ.get("CI") == "true" and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2].removeprefix("Skipped: ")
        if not reason.startswith(root.NOT_FOR_ROOT if os.geteuid() == 0 else root.ROOT_ONLY):
            report.outcome, report.longrepr = "failed", f"skipped where CI=true: {reason}"
    return report


@pytest.fixture(scope="session", autouse=True)
def what_stays_is_not_collected() -> None:
    """Exempt the objects that exist before the first test from the garbage collection after every test."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def nothing_leaks() -> Iterator[None]:
    """Fail a test that leaves a thread, a descriptor or a process behind."""
    threads, descriptors, children = set(threading.enumerate()), _descriptors(), _children()
    yield
    gc.collect()

    def leaked() -> list[str]:
        left = [f"thread {t.name}" for t in set(threading.enumerate()) - threads]
        left += [f"fd {n} {where}" for n, where in _descriptors().items() if n not in descriptors]
        return left + [f"process {child}" for child in _children() - children]

    try:
        until(lambda: not leaked(), "threads, descriptors and processes to be gone", deadline=5)
    except AssertionError:
        pytest.fail("leaked: " + ", ".join(sorted(leaked())))


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start daemons: ``serve("--app", "echo")``. The daemons and their talkers end with the test."""
    started: list[Running] = []
    directory = tmp_path / "daemons"
    directory.mkdir()

    def start(*options: str, **more: int) -> Running:
        listen = () if {"--listen", "--config"} & set(options) else ("--listen", "tcp://127.0.0.1:0")
        running = Running(directory, *listen, *options, **more)
        started.append(running)
        return running

    yield start
    for running in started:
        for talker in running.talkers:
            talker.leaves()
        running.stop()


@pytest.fixture
def chat(serve: Serve) -> Running:
    """A chat room with the defaults."""
    return serve()
