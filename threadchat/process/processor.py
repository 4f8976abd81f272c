"""
One processor for one interpreter lock, and no thread that interrupts another.

Only one thread at a time runs Python. If the threads are spread over several processors, every hand-over of the lock
wakes a thread on another processor, which costs more than all that the thread then does. On one processor it is a plain
switch. Spreading does not make the kernel's part of the work faster either, because one deliverer sends for a whole
room. A thread that has something to read could take the processor from the thread that holds the lock. But without the
lock it can only give the processor back. Under the batch policy it waits for its turn.
Measured (benchmarks/LABBOOK.md): up to three times the deliveries, for a third of the processor time.

The limit: a program that something else has tied to the same processor shares it with us. The kernel moves every other
program away. Python without the lock needs none of this and is left alone.
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
    Keep this process on one of the processors it may use, under the batch policy; return its placement before that.

    To be called before threads are started. The process id chooses the processor, which spreads the processes of a
    machine.
    """
    before = Placement(frozenset(os.sched_getaffinity(0)), os.sched_getscheduler(0))
    if getattr(sys, "_is_gil_enabled", lambda: True)():
        with contextlib.suppress(PermissionError):  # a sandbox: there the unit's CPUAffinity= and policy do it
            os.sched_setaffinity(0, {sorted(before.processors)[os.getpid() % len(before.processors)]})
            if before.policy == os.SCHED_OTHER:
                os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    return before


def release(pid: int, placement: Placement) -> None:
    """
    Give process *pid*, which has our placement, *placement* instead.

    The process is a child, or this one (0), before it becomes its next program.
    """
    with contextlib.suppress(PermissionError, ProcessLookupError):
        os.sched_setaffinity(pid, placement.processors)
        if placement.policy == os.SCHED_OTHER:
            os.sched_setscheduler(pid, os.SCHED_OTHER, os.sched_param(0))
