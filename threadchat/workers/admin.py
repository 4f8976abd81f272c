"""
The methods of the pool that can be called over RPC, by RoadRunner's names. ``threadchat workers`` calls them.

As in RoadRunner, the argument names the plugin whose workers are meant. There is one, ``tcp``.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from threadchat.workers.pool import Pool
from threadchat.workers.process import State
from threadchat.workers.rpc_server import Method

PLUGIN = "tcp"


def admin_methods(pool: Pool) -> Mapping[str, Method]:
    """Return the methods of RoadRunner's ``informer`` and ``resetter`` for *pool*."""

    def checked(action: Any) -> Method:
        def method(plugin: Any) -> Any:
            if plugin != PLUGIN:
                raise ValueError(f"there is no plugin {plugin!r}: the one with workers is {PLUGIN}")
            return action()

        return method

    def done(action: Any) -> Method:
        return checked(lambda: action() or True)

    return {
        "informer.Workers": checked(lambda: {"workers": _list(pool)}),
        "informer.List": lambda _: [PLUGIN],
        "informer.AddWorker": done(pool.add),
        "informer.RemoveWorker": done(pool.remove),
        "resetter.Reset": done(pool.reset),
        "resetter.List": lambda _: [PLUGIN],
    }


def _list(pool: Pool) -> list[dict[str, Any]]:
    return [
        {
            "pid": worker.pid,
            "status": list(State).index(worker.state) + 1,
            "statusStr": worker.state.value,
            "numExecs": worker.jobs,
            "created": worker.created_ns,
            "memoryUsage": worker.resident_bytes(),
            "CPUPercent": worker.cpu_percent(),
            "command": worker.command,
            "seconds": round(time.monotonic() - worker.started_at, 3),
        }
        for worker in pool.workers()
    ]
