"""The threads that wait for workers."""

from __future__ import annotations

import threading

from tests.waiting import until
from tests.workers.fake_worker import FakeWorker
from threadchat.workers.process import WorkerProcess
from threadchat.workers.runners import Runners


def test_a_thread_waits_for_a_worker_as_long_as_that_has_events() -> None:
    """And then for the next worker: it takes no second thread."""
    workers = FakeWorker(), FakeWorker()
    taken: list[tuple[WorkerProcess, int]] = []

    def take(worker: WorkerProcess) -> WorkerProcess | None:
        taken.append((worker, threading.get_ident()))
        return worker if len(taken) % 3 else None

    runners = Runners(take)
    for count, worker in enumerate(workers, 1):
        runners.run(worker)
        until(lambda count=count: len(taken) == 3 * count and runners._parked == 1, "it to be done")  # type: ignore[misc]
    runners.close()
    assert [worker for worker, _ in taken] == [workers[0]] * 3 + [workers[1]] * 3
    assert len({thread for _, thread in taken}) == 1


def test_busy_threads_are_joined_by_another() -> None:
    """Nobody waits for a thread."""
    gate = threading.Event()
    busy = threading.Semaphore(0)

    def take(_: WorkerProcess) -> WorkerProcess | None:
        busy.release()
        gate.wait()
        return None

    runners = Runners(take)
    for _ in range(3):
        runners.run(FakeWorker())
    for _ in range(3):
        busy.acquire()
    gate.set()
    runners.close()
