"""
What becomes of workers that misbehave, and that nobody but the one client they were serving notices.

The rows of RoadRunner's behaviour under errors and protocol violations, each with a worker from tests/workers/bad.
"""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

import pytest

from tests.talker import Talker
from tests.waiting import until
from tests.workers.serving import Serving, serving

EXEC_TTL = {"supervisor": {"exec_ttl": "200ms"}}

#: Worker, extra configuration, the error that is logged.
FATAL = [
    ("exits_0", {}, "WorkerCrashed"),
    ("exits_7", {}, "WorkerCrashed"),
    ("sends_no_option", {}, "WorkerViolation"),
    ("sends_two_options", {}, "WorkerViolation"),
    ("sends_too_large_an_option", {}, "WorkerViolation"),
    ("sends_a_wrong_crc", {}, "WorkerViolation"),
    ("prints_text", {}, "WorkerViolation"),
    ("streams", {}, "WorkerViolation"),
    ("hangs", EXEC_TTL, "ExecTimeout"),
]


def echoes(client: Talker, message: bytes) -> None:
    client.sends(message)
    assert client.receives(len(message)) == message


def one_of_two_is_closed(daemon: Serving) -> tuple[str, set[int]]:
    """
    Have two clients, one of whom sends the message that the worker cannot take: it is closed without a byte, alone.

    Returns its address, and the workers that there were before.
    """
    alice, bob = daemon.connect(), daemon.connect()
    echoes(alice, b"hello\r\n")
    address, before = "{}:{}".format(*alice.socket.getsockname()), daemon.pids()
    alice.sends(b"bad\r\n")
    alice.is_gone_quietly()
    echoes(bob, b"still here\r\n")
    return address, before


@pytest.mark.parametrize(("worker", "pool", "error"), FATAL, ids=[row[0] for row in FATAL])
def test_costs_the_worker_and_its_one_client(worker: str, pool: dict[str, object], error: str, tmp_path: Path) -> None:
    """The client is closed without a byte, the worker replaced, and other connections go on."""
    with serving(worker, tmp_path, pool=pool) as daemon:
        address, before = one_of_two_is_closed(daemon)
        failure = daemon.wait_for("event_failed")[0]
        assert (failure["kind"], failure["tcp_event"], failure["peer"]) == (error, "DATA", address)
        assert before.isdisjoint(daemon.pids())
        assert len(daemon.wait_for("event_failed")) == 1  # it was not tried again


@pytest.mark.parametrize("worker", ["exits_7", "sends_no_option", "prints_text"])
def test_costs_the_worker_at_connected_too(worker: str, tmp_path: Path) -> None:
    """A worker that fails at CONNECTED fails that connection only: the replacement gets its CLOSE."""
    with serving(worker, tmp_path, env={"BAD_AT": "CONNECTED"}) as daemon:
        daemon.connect().is_gone_quietly()
        daemon.connect().is_gone_quietly()

        assert [event["tcp_event"] for event in daemon.wait_for("event_failed", 2)] == ["CONNECTED"] * 2


@pytest.mark.parametrize(
    ("worker", "error"), [("reports_an_error", "WorkerReported"), ("forgets_to_answer", "Unanswered")]
)
def test_costs_the_one_client_only(worker: str, error: str, tmp_path: Path) -> None:
    """The client is closed without a byte; the worker is as good as before, and kept."""
    with serving(worker, tmp_path) as daemon:
        _, before = one_of_two_is_closed(daemon)
        assert daemon.wait_for("event_failed")[0]["kind"] == error
        assert daemon.pids() == before


@pytest.mark.parametrize("worker", ["answers_twice_at_once", "answers_twice"])
def test_a_second_answer_reaches_nobody(worker: str, tmp_path: Path) -> None:
    """The first frame is the answer; the second costs the worker, and no other client ever sees it."""
    with serving(worker, tmp_path) as daemon:
        alice, bob = daemon.connect(), daemon.connect()
        alice.sends(b"bad\r\n")
        assert alice.receives(7) == b"first\r\n"
        for round_ in range(20):
            echoes(bob, b"%d\r\n" % round_)
            echoes(alice, b"%d\r\n" % round_)

        assert daemon.wait_for("worker_stopped")[0]["reason"].startswith("it sent")


@pytest.mark.parametrize(
    ("worker", "order"), [("answers_everything_twice", b""), ("tests/workers/sdk_worker.py", b"fork ")]
)
def test_a_second_answer_reaches_nobody_under_load(worker: str, order: bytes, tmp_path: Path) -> None:
    """Ten clients and workers that answer everything twice: no client ever reads a byte that is not its own."""
    with serving(worker, tmp_path, pool={"num_workers": 2}) as daemon:
        foreign: list[bytes] = []

        def talk(name: int) -> None:
            for number in range(4):
                client = daemon.connect()
                message = b"%s%d-%d\r\n" % (order, name, number)
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    client.sends(message)
                client.finishes()
                if (answer := client.rest()) not in (message, b""):
                    foreign.append(answer)
                client.leaves()

        threads = [threading.Thread(target=talk, args=(name,)) for name in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert foreign == []
        assert len(daemon.events("worker_stopped")) > 1


def test_an_answer_out_of_turn_reaches_nobody(tmp_path: Path) -> None:
    """A second frame that comes late is waited for, and the next client's event goes to another worker."""
    with serving("answers_late", tmp_path) as daemon:
        alice, bob = daemon.connect(), daemon.connect()
        alice.sends(b"bad\r\n")
        assert alice.receives(7) == b"first\r\n"

        echoes(bob, b"hello\r\n")

        assert daemon.wait_for("worker_stopped")[0]["reason"] == "it sent a second frame for one event"


def test_a_worker_that_shakes_hands_only_once_is_served_all_the_same(tmp_path: Path) -> None:
    """It cannot be asked whether it is done: the log says so, and stray frames are looked for before an event."""
    with serving("shakes_hands_once", tmp_path) as daemon:
        alice, bob = daemon.connect(), daemon.connect()
        echoes(alice, b"hello\r\n")
        echoes(bob, b"hello\r\n")
        (worker,) = daemon.workers()
        alice.sends(b"bad\r\n")
        assert alice.receives(5) == b"bad\r\n"
        until(lambda: worker.retirement or worker._relay.readable(), "the second frame")

        echoes(bob, b"still here\r\n")

        assert len(daemon.events("workers_not_provable")) == 1
        assert daemon.wait_for("worker_stopped")[0]["pid"] == worker.pid


def test_an_unanswered_close_costs_nothing(tmp_path: Path) -> None:
    """RoadRunner's documentation says that CLOSE needs no answer; there the worker is lost for ever."""
    with serving("forgets_to_answer", tmp_path, env={"BAD_AT": "CLOSE"}) as daemon:
        before = daemon.pids()
        for _ in range(5):
            alice = daemon.connect()
            echoes(alice, b"hello\r\n")
            alice.leaves()

        assert daemon.pids() == before
        assert daemon.events("event_failed") == []


def test_a_worker_that_hangs_at_close_is_replaced_after_a_while(tmp_path: Path) -> None:
    """Without exec_ttl too, CLOSE has a time limit: a pool of one goes on."""
    with serving("hangs", tmp_path, env={"BAD_AT": "CLOSE"}, pool={"close_timeout": "200ms"}) as daemon:
        alice = daemon.connect()
        echoes(alice, b"hello\r\n")
        before = daemon.pids()
        alice.leaves()
        bob = daemon.connect()

        echoes(bob, b"hello\r\n")

        assert daemon.wait_for("event_failed")[0]["tcp_event"] == "CLOSE"
        assert before.isdisjoint(daemon.pids())


def test_a_worker_that_asks_to_be_replaced_has_its_event_run_elsewhere_but_not_for_ever(tmp_path: Path) -> None:
    """Three workers in a row get the event; when all want to be replaced, the client is closed."""
    with serving("asks_to_be_replaced", tmp_path) as daemon:
        alice, bob = daemon.connect(), daemon.connect()
        alice.sends(b"bad\r\n")
        alice.is_gone_quietly()

        echoes(bob, b"still here\r\n")
        stopped = daemon.wait_for("worker_stopped", 3)
        assert [event["reason"] for event in stopped] == ["it asked to be replaced"] * 3
        assert [event["status"] for event in stopped] == [0, 0, 0]
