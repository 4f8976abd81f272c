"""The pool: who gets a worker when, what replaces one that ends, and what happens when none can be had."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.waiting import until
from tests.workers.serving import captured_log, command, event, pooling
from threadchat.base.errors import ExecTimeout, NoFreeWorker, WorkerCrashed, WorkerError, WorkerStartError
from threadchat.config.sections import Pool as PoolConfig
from threadchat.config.sections import Spawn
from threadchat.workers.launcher import Launcher
from threadchat.workers.payload import Verdict
from threadchat.workers.pool import Pool
from threadchat.workers.process import State


def pid(pool: Pool) -> int:
    """Return who answers next."""
    return int(pool.exec(event(b"pid\r\n")).body)


def in_thread(job: Callable[[], object], error: type[WorkerError] | None = None) -> threading.Thread:
    """Run *job* in a thread, and see to it that it fails with *error*, if any."""

    def run() -> None:
        with pytest.raises(error) if error else contextlib.nullcontext():
            job()

    thread = threading.Thread(target=run, name="waiting")
    thread.start()
    return thread


def test_workers_take_turns() -> None:
    """Whoever has been idle for longest is next."""
    with pooling("good", num_workers=3) as (pool, _):
        order = [pid(pool) for _ in range(9)]

    assert len(set(order)) == 3
    assert order == order[:3] * 3


SDK_WORKER = "tests/workers/sdk_worker.py"


@pytest.mark.parametrize("script", ["good", SDK_WORKER])
def test_many_threads_share_few_workers(script: str) -> None:
    """Each event gets its own answer."""
    bodies = [b"%d\r\n" % number for number in range(200)]
    with pooling(script, num_workers=2) as (pool, _), ThreadPoolExecutor(20, "client") as clients:
        answers = list(clients.map(lambda body: pool.exec(event(body)).body, bodies))

    assert answers == bodies


def test_only_what_a_worker_dies_of_is_lost() -> None:
    """Not what it has been given ahead, small or large; and nobody else notices."""
    bodies = [b"die\r\n" if number % 30 == 29 else b"%d" % number * (number % 7) ** 5 for number in range(300)]
    with pooling(SDK_WORKER, num_workers=2) as (pool, log), ThreadPoolExecutor(20, "client") as clients:

        def ask(body: bytes) -> bytes:
            try:
                return pool.exec(event(body)).body
            except WorkerCrashed:
                return b"die\r\n"

        assert list(clients.map(ask, bodies)) == bodies
    stopped = [entry["status"] for entry in log.entries if entry["event"] == "worker_stopped"]
    assert stopped.count(1) == 10


def test_nothing_waits_behind_a_slow_event(tmp_path: Path) -> None:
    """What its worker was given ahead is done by another."""
    gate = tmp_path / "gate"
    bodies = [b"%d\r\n" % number for number in range(300)]
    slow = b"wait %s\r\n" % os.fsencode(gate)
    with pooling(SDK_WORKER, num_workers=2) as (pool, _), ThreadPoolExecutor(21, "client") as clients:
        for body in bodies[:100]:
            clients.submit(pool.submit, event(body), lambda _: None)  # so that more will wait behind the slow one
        waiting = clients.submit(lambda: pool.exec(event(slow)).body)
        answers = list(clients.map(lambda body: pool.exec(event(body)).body, bodies))
        assert answers == bodies
        assert not waiting.done()
        gate.touch()
        assert waiting.result() == slow


def test_a_large_message_goes_there_and_back() -> None:
    """More than any pipe holds."""
    body = bytes(range(256)) * 12_000
    with pooling("good") as (pool, _):
        assert pool.exec(event(body)).body == body


def kill_until_over(pool: Pool, busy: threading.Thread) -> None:
    """Kill workers until the event is over. One that a worker has not read goes to the next one, which hangs too."""

    def is_over() -> bool:
        for worker in pool.workers():
            if worker.state is State.WORKING:
                worker.kill()
        return not busy.is_alive()

    until(is_over, "the event to be over")
    busy.join()


def test_an_event_waits_for_a_worker_but_not_for_ever() -> None:
    """allocate_timeout says how long."""
    with pooling("answers_late", num_workers=1, allocate_timeout="10s") as (pool, _):
        busy = in_thread(lambda: pool.exec(event(b"bad\r\n")))
        assert pool.exec(event(b"hello\r\n")).body == b"hello\r\n"
        busy.join()
    with pooling("hangs") as (pool, _):
        pool._config = pool._config.model_copy(update={"allocate_timeout": 0.05})
        busy = in_thread(lambda: pool.exec(event(b"bad\r\n")), WorkerCrashed)
        until(lambda: pool.workers()[0].state is State.WORKING, "the worker to be busy")
        with pytest.raises(NoFreeWorker, match=r"none within 0\.05 s"):
            pool.exec(event(b"hello\r\n"))
        kill_until_over(pool, busy)


def test_the_queue_has_a_limit() -> None:
    """max_queue_size counts what is queued and what is executing."""
    with pooling("hangs", max_queue_size=1) as (pool, _):
        busy = in_thread(lambda: pool.exec(event(b"bad\r\n")), WorkerCrashed)
        until(lambda: pool.workers()[0].state is State.WORKING, "the worker to be busy")
        with pytest.raises(NoFreeWorker, match="max_queue_size"):
            pool.exec(event(b"hello\r\n"))
        kill_until_over(pool, busy)
        assert pool.exec(event(b"hello\r\n")).body == b"hello\r\n"


def test_max_jobs_replaces_a_worker_after_its_answer() -> None:
    """Every answer arrives, and every worker has had its share."""
    with pooling("good", max_jobs=3) as (pool, log):
        order = [pid(pool) for _ in range(9)]
        until(lambda: len([e for e in log.entries if e["event"] == "worker_stopped"]) == 3, "three to have stopped")

    assert order == [order[0]] * 3 + [order[3]] * 3 + [order[6]] * 3
    assert len(set(order)) == 3
    stopped = [entry for entry in log.entries if entry["event"] == "worker_stopped"]
    assert {(entry["reason"], entry["status"], entry["jobs"]) for entry in stopped[:3]} == {("max_jobs", 0, 3)}


def test_max_jobs_does_not_wait_for_one_that_ignores_stop() -> None:
    """In RoadRunner the client of the last job waits until the worker has gone: ten seconds."""
    with pooling("ignores_stop", max_jobs=1, destroy_timeout="50ms") as (pool, _):
        assert len({pid(pool) for _ in range(3)}) == 3


def test_a_worker_that_dies_while_idle_is_replaced_unasked() -> None:
    """Within the time it takes to start one."""
    with pooling("good") as (pool, _):
        old = pid(pool)
        os.kill(old, signal.SIGKILL)
        until(lambda: [w.pid for w in pool.workers()] not in ([], [old]), "another worker")

        assert pid(pool) != old


def test_exec_ttl_kills_and_replaces() -> None:
    """The event fails; it is not tried again."""
    with pooling("hangs", supervisor={"exec_ttl": "50ms"}) as (pool, _):
        old = pid(pool)
        with pytest.raises(ExecTimeout):
            pool.exec(event(b"bad\r\n"))

        assert pid(pool) != old


def test_a_failing_start_fails_the_pool() -> None:
    """All workers must start; those that did are ended."""
    expected = pytest.raises(WorkerStartError, match="exited with status 1")
    with pooling("dies_at_start", num_workers=2, start=False) as (pool, _), expected:
        pool.start()


def test_a_pool_whose_workers_cannot_start_again_keeps_trying(tmp_path: Path) -> None:
    """Meanwhile it is not available; RoadRunner gives up after a while, and panics."""
    may_start = tmp_path / "may-start"
    may_start.touch()
    with pooling("starts_when_allowed", env={"MAY_START": str(may_start)}) as (pool, log):
        assert pool.available
        may_start.unlink()
        with pytest.raises(WorkerCrashed):
            pool.exec(event(b"bad\r\n"))
        until(lambda: [e for e in log.entries if e["event"] == "worker_start_failed"], "a start to fail")
        assert not pool.available
        may_start.touch()

        assert pool.exec(event(b"hello\r\n")).body == b"hello\r\n"
        assert pool.available


def test_workers_that_die_at_once_are_started_less_and_less_often() -> None:
    """They shake hands, so only their end shows that they are of no use."""
    with pooling("dies_after_start") as (pool, _):
        until(lambda: pool._failures >= 3, "three to have died")
        assert pool._pause() >= 0.4
        pool._failures = 1000
        assert pool._pause() == 5.0


def test_reset_replaces_all() -> None:
    """A busy one too, when it is done; afterwards there are as many as before."""
    with pooling("good", num_workers=3) as (pool, _):
        before = {worker.pid for worker in pool.workers()}
        pool.reset()
        after = {worker.pid for worker in pool.workers()}

        assert len(after) == 3
        assert before.isdisjoint(after)
        assert pid(pool) in after


def test_reset_does_not_wait_for_ever() -> None:
    """A worker that hangs is killed after reset_timeout."""
    with pooling("hangs", reset_timeout="50ms") as (pool, _):
        busy = in_thread(lambda: pool.exec(event(b"bad\r\n")), WorkerCrashed)
        until(lambda: pool.workers()[0].state is State.WORKING, "the worker to be busy")
        pool._config = pool._config.model_copy(update={"reset_timeout": 0.05})
        try:
            pool.reset()
        except WorkerStartError:  # the replacement may take longer than that
            until(pool.workers, "the replacement")
        busy.join()
        assert pool.exec(event(b"hello\r\n")).body == b"hello\r\n"


def test_workers_come_and_go() -> None:
    """One more, one less; the last one stays."""
    with pooling("good") as (pool, _):
        pool.add()
        assert len({pid(pool) for _ in range(4)}) == 2
        pool.remove()
        assert len({pid(pool) for _ in range(4)}) == 1
        with pytest.raises(WorkerError, match="last worker"):
            pool.remove()


def test_a_worker_that_cannot_be_added_is_an_error(tmp_path: Path) -> None:
    """And the pool is as large as before."""
    may_start = tmp_path / "may-start"
    may_start.touch()
    with pooling("starts_when_allowed", env={"MAY_START": str(may_start)}) as (pool, _):
        may_start.unlink()
        with pytest.raises(WorkerStartError):
            pool.add()
        assert pool._size == 1


def test_debug_gives_every_event_its_own_process() -> None:
    """And takes no orders about workers."""
    with pooling("good", debug=True) as (pool, _):
        assert pool.workers() == []
        assert len({pid(pool) for _ in range(3)}) == 3
        with pytest.raises(WorkerError, match="debug"):
            pool.add()


def test_close_lets_an_event_finish() -> None:
    """Its answer is still delivered; whoever waits for a worker is told that it is over."""
    answers = []
    with pooling("answers_slowly") as (pool, _):
        busy = in_thread(lambda: answers.append(pool.exec(event(b"bad\r\n"))))
        until(lambda: pool.workers()[0].state is State.WORKING, "the worker to be busy")
        waiting = in_thread(lambda: pool.exec(event(b"hello\r\n")), NoFreeWorker)
        until(lambda: pool._dispatcher.waiting, "an event to wait")
    busy.join()
    waiting.join()

    assert [answer.verdict for answer in answers] == [Verdict.CONTINUE]


def test_close_does_not_wait_for_ever() -> None:
    """destroy_timeout says how long."""
    with pooling("hangs", destroy_timeout="50ms") as (pool, _):
        busy = in_thread(lambda: pool.exec(event(b"bad\r\n")), WorkerCrashed)
        until(lambda: pool.workers()[0].state is State.WORKING, "the worker to be busy")
    busy.join()


def test_close_does_not_wait_for_a_worker_that_is_starting() -> None:
    """One that never shakes hands would take allocate_timeout."""
    log, _ = captured_log()
    launcher = Launcher(Spawn.model_validate({"command": command("hangs_at_start")}), log)
    pool = Pool(PoolConfig(num_workers=1), launcher, log)
    starting = in_thread(pool.start, WorkerStartError)
    until(lambda: launcher._starting, "a worker to be starting")
    pool.close()
    starting.join()


def test_workers_can_be_started_in_the_background(tmp_path: Path) -> None:
    """What comes before they are there waits for them, though the first attempts fail."""
    allowed = tmp_path / "allowed"
    with pooling("starts_when_allowed", env={"MAY_START": str(allowed)}, start=False) as (pool, log):
        pool.begin()
        until(lambda: [entry for entry in log.entries if entry["event"] == "worker_start_failed"], "a failure")
        waiting = in_thread(lambda: pool.exec(event(b"hello\r\n")))
        allowed.touch()
        waiting.join()
