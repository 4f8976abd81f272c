"""
One processor for one interpreter lock.

Only one thread at a time runs Python. Spread over several processors, every hand-over of the lock wakes a
thread on another one, which costs more than all that the thread then does; on one processor it is a plain
switch. The kernel's part of the work does not get faster by spreading either, as one deliverer a room sends.
Measured (ARCHITECTURE.md): up to twice the deliveries, for half the processor time.

The limit: a program that something else has tied to the same processor shares it with us. Everything else is
moved away by the kernel. Python without the lock needs none of this and is left alone.
"""

from __future__ import annotations

import contextlib
import os
import sys


def settle() -> frozenset[int]:
    """
    Keep this process, all its threads, on one of the processors it may use; return those it could use before.

    To be called before threads are started. Processes of one machine are spread by their numbers.
    """
    before = frozenset(os.sched_getaffinity(0))
    if len(before) > 1 and getattr(sys, "_is_gil_enabled", lambda: True)():
        with contextlib.suppress(PermissionError):  # a sandbox; the unit's CPUAffinity= does it there
            os.sched_setaffinity(0, {sorted(before)[os.getpid() % len(before)]})
    return before


def release(pid: int, processors: frozenset[int]) -> None:
    """Let the child process *pid*, which has inherited our choice, use *processors*."""
    with contextlib.suppress(PermissionError, ProcessLookupError):
        os.sched_setaffinity(pid, processors)
