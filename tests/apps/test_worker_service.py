"""All that a daemon has for its workers, from start to stop."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest

from tests.workers.serving import captured_log, command, environment, serving
from threadchat.apps.worker_service import WorkerService
from threadchat.base.errors import ListenError, WorkerStartError
from threadchat.config.loading import parse
from threadchat.workers.rpc import RpcClient


def test_a_failing_start_leaves_nothing_behind(tmp_path: Path) -> None:
    """No thread, process or socket: the fixture around every test looks."""
    log, _ = captured_log()
    rpc = f"unix://{tmp_path}/rpc"
    tables = {"server": {"command": command("dies_at_start"), "env": environment()}, "rpc": {"listen": rpc}}
    config = parse({**tables, "tcp": {"servers": {"smtp": {"addr": "tcp://127.0.0.1:0"}}, "pool": {}}})
    service = WorkerService(config, log)
    with pytest.raises(WorkerStartError):
        service.start(wait=True)
    service.stop()

    assert not (tmp_path / "rpc").exists()


def test_an_rpc_socket_that_is_taken_is_an_error(tmp_path: Path) -> None:
    """Two daemons with one path."""
    with (
        serving("good", tmp_path),
        pytest.raises(ListenError, match=re.escape(str(tmp_path))),
        serving("good", tmp_path),
    ):
        pass


def test_workers_find_the_rpc_socket(tmp_path: Path) -> None:
    """RR_RPC names it; the workers of the pool are listed there."""
    with serving("good", tmp_path, pool={"num_workers": 2}) as daemon:
        rpc = RpcClient(daemon.rpc)
        listed = rpc.call("informer.Workers", "tcp")["workers"]
        rpc.close()
        assert {worker["pid"] for worker in listed} == daemon.pids()


def test_the_threads_are_those_of_the_list(tmp_path: Path) -> None:
    """One for the workers' logs, one for their supervisor, one for RPC; none per worker."""
    before = {thread.name for thread in threading.enumerate()}
    with serving("good", tmp_path, pool={"num_workers": 3}):
        ours = {thread.name for thread in threading.enumerate()} - before
    assert ours == {"worker-log", "supervisor", "rpc-accept", "flusher", "accept-smtp"}
