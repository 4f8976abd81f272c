"""What can be asked of the pool over RPC, by RoadRunner's names."""

from __future__ import annotations

import pytest

from tests.workers.serving import event, pooling
from threadchat.base.errors import WorkerError
from threadchat.workers.admin import admin_methods


def test_workers_are_listed_added_removed_and_replaced() -> None:
    """As RoadRunner's informer and resetter do."""
    with pooling("good", num_workers=2) as (pool, _):
        methods = admin_methods(pool)

        def listed() -> list[dict[str, object]]:
            workers: list[dict[str, object]] = methods["informer.Workers"]("tcp")["workers"]
            return workers

        pool.exec(event(b"hello\r\n"))
        before = listed()
        assert sorted(str(worker["numExecs"]) for worker in before) == ["0", "1"]
        assert {(worker["status"], worker["statusStr"]) for worker in before} == {(1, "ready")}
        assert all(isinstance(worker["CPUPercent"], float) for worker in before)  # the PHP library insists on both
        assert methods["informer.AddWorker"]("tcp") is True
        assert len(listed()) == 3
        assert methods["informer.RemoveWorker"]("tcp") is True
        assert len(listed()) == 2
        assert methods["resetter.Reset"]("tcp") is True
        assert not {worker["pid"] for worker in before} & {worker["pid"] for worker in listed()}
        methods["informer.RemoveWorker"]("tcp")
        with pytest.raises(WorkerError, match="last"):
            methods["informer.RemoveWorker"]("tcp")


def test_in_debug_mode_a_reset_is_done_at_once() -> None:
    """There are no workers between events."""
    with pooling("good", debug=True, reset_timeout="1h") as (pool, _):
        assert admin_methods(pool)["resetter.Reset"]("tcp") is True


def test_there_is_one_plugin() -> None:
    """Others are not known here."""
    with pooling("good") as (pool, _):
        methods = admin_methods(pool)
        assert methods["informer.List"](True) == methods["resetter.List"](True) == ["tcp"]
        with pytest.raises(ValueError, match="no plugin 'http'"):
            methods["resetter.Reset"]("http")
