"""
One processor for one interpreter lock, and no thread that interrupts another.

Only one thread at a time runs Python. Spread over several processors, every hand-over of the lock wakes a
thread on another one, which costs more than all that the thread then does; on one processor it is a plain
switch. The kernel's part of the work does not get faster by spreading either, as one deliverer a room sends.
And a thread that has something to read, and for that takes the processor from the one that holds the lock, can
only give it back; under the batch policy it waits for its turn.
Measured (benchmarks/LABBOOK.md): up to three times the deliveries, for a third of the processor time.

The limit: a program that something else has tied to the same processor shares it with us. Everything else is
moved away by the kernel. Python without the lock needs none of this and is left alone.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import NamedTuple


class Placement(NamedTuple):
    """Where, and under which scheduling policy, a process runs."""

    processors: frozenset[int]
    policy: int


def settle() -> Placement:
    """
    Keep this process, all its threads, on one of the processors it may use; return how it was before.

    To be called before threads are started. Processes of one machine are spread by their numbers.
    """
    before = Placement(frozenset(os.sched_getaffinity(0)), os.sched_getscheduler(0))
    if getattr(sys, "_is_gil_enabled", lambda: True)():
        with contextlib.suppress(PermissionError):  # a sandbox; the unit's CPUAffinity= and policy do it there
            os.sched_setaffinity(0, {sorted(before.processors)[os.getpid() % len(before.processors)]})
            if before.policy == os.SCHED_OTHER:
                os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    return before


def release(pid: int, placement: Placement) -> None:
    """Let process *pid*, which has our placement, have *placement*: a child, or this one (0) for its next program."""
    with contextlib.suppress(PermissionError, ProcessLookupError):
        os.sched_setaffinity(pid, placement.processors)
        if placement.policy == os.SCHED_OTHER:
            os.sched_setscheduler(pid, os.SCHED_OTHER, os.sched_param(0))
