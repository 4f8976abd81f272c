"""Workers whose time is over: too old, idle for too long, too big."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.waiting import until
from tests.workers.serving import event, pooling
from threadchat.config.sections import Supervisor as SupervisorConfig
from threadchat.workers.pool import Pool
from threadchat.workers.supervisor import Supervisor


@contextmanager
def supervised(**limits: Any) -> Iterator[tuple[Pool, Supervisor, list[float]]]:
    """Give a pool of two, its supervisor, and how far its clock is ahead."""
    ahead = [0.0]
    with pooling("good", num_workers=2) as (pool, _):
        config = SupervisorConfig.model_validate({"watch_tick": "1h", **limits})
        supervisor = Supervisor(pool, config, lambda: time.monotonic() + ahead[0])
        yield pool, supervisor, ahead
        supervisor.close()


def pids(pool: Pool) -> set[int]:
    return {worker.pid for worker in pool.workers()}


def replaced(pool: Pool, old: set[int]) -> bool:
    return len(pids(pool)) == 2 and not pids(pool) & old


def test_ttl_replaces_the_old() -> None:
    """Age counts from the start."""
    with supervised(ttl="60s") as (pool, supervisor, ahead):
        old = pids(pool)
        supervisor.look()
        assert pids(pool) == old
        ahead[0] = 61
        supervisor.look()
        until(lambda: replaced(pool, old), "two others")


def test_idle_ttl_replaces_the_idle_that_have_worked() -> None:
    """One that was never used is as fresh as can be."""
    with supervised(idle_ttl="60s") as (pool, supervisor, ahead):
        used = pool.workers()[0]
        unused = pool.workers()[1]
        while used.jobs == 0 or unused.jobs > 0:
            pool.exec(event(b"hello\r\n"))
            used, unused = (used, unused) if used.jobs else (unused, used)
        ahead[0] = 61
        supervisor.look()
        until(lambda: used.pid not in pids(pool) and len(pids(pool)) == 2, "another for the used one")
        assert unused.pid in pids(pool)


def test_max_worker_memory_replaces_the_big() -> None:
    """Resident memory, in MB; a Python process has a few."""
    with supervised(max_worker_memory=1) as (pool, supervisor, _):
        old = pids(pool)
        supervisor.look()
        until(lambda: replaced(pool, old), "two others")
    with supervised(max_worker_memory=10_000) as (pool, supervisor, _):
        old = pids(pool)
        supervisor.look()
        assert pids(pool) == old


def test_it_looks_by_itself() -> None:
    """Every watch_tick."""
    with pooling("good") as (pool, log):
        supervisor = Supervisor(pool, SupervisorConfig.model_validate({"watch_tick": "10ms", "ttl": "10ms"}))
        until(lambda: [e for e in log.entries if e["event"] == "worker_stopped"], "a worker to be replaced")
        supervisor.close()

    assert {entry["reason"] for entry in log.entries if entry["event"] == "worker_stopped"} <= {
        "ttl",
        "the pool is stopping",
    }
