"""From a connection to the workers and back: the events, the verdicts, and where RoadRunner loses something."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.talker import Talker
from tests.workers.serving import Serving, serving

#: Does what the message says; writes down every event in the file RECORD.
OBEDIENT = """
import json, os
from threadchat.sdk import TcpEvent, TcpWorker
worker = TcpWorker()
def handle(request):
    with open(os.environ["RECORD"], "a") as record:
        record.write(json.dumps([request.event.value, request.body.decode(), *request[1:4]]) + chr(10))
    order = os.environ.get(request.event.value) or request.body.decode().strip()
    match order:
        case "close": worker.close()
        case "write-and-close": worker.respond("bye", close=True)
        case "empty": worker.respond("")
        case "read": worker.read()
        case _ if request.event is TcpEvent.DATA: worker.respond(request.body)
        case _ if request.event is TcpEvent.CONNECTED: worker.read()
worker.serve(handle)
"""


class Recorded:
    """A daemon whose worker writes down what it is told."""

    def __init__(self, serving: Serving, record: Path) -> None:
        self.serving = serving
        self._record = record

    def all(self) -> list[list[Any]]:
        return [json.loads(line) for line in self._record.read_text().splitlines()]

    def told(self) -> list[tuple[str, str]]:
        """Return the events and bodies so far, once the last connection has been closed."""
        self.serving.wait_for("connection_closed")
        return [(event, body) for event, body, *_ in self.all()]


def recorded(tmp_path: Path, env: dict[str, str] | None = None, **options: Any) -> Any:
    """Run a daemon with an obedient worker; *env* says what it does at CONNECTED and CLOSE."""
    (tmp_path / "worker.py").write_text(OBEDIENT)
    (tmp_path / "record").touch()
    return serving(
        str(tmp_path / "worker.py"), tmp_path, env={"RECORD": str(tmp_path / "record"), **(env or {})}, **options
    )


def test_a_connection_is_three_kinds_of_events(tmp_path: Path) -> None:
    """CONNECTED before the client has said anything, DATA with the delimiter, CLOSE; one uuid for all."""
    with recorded(tmp_path) as daemon:
        record = Recorded(daemon, tmp_path / "record")
        client = daemon.connect()
        client.sends(b"hello\r\n")
        assert client.receives(7) == b"hello\r\n"
        address = "{}:{}".format(*client.socket.getsockname())
        client.leaves()
        assert record.told() == [("CONNECTED", ""), ("DATA", "hello\r\n"), ("CLOSE", "")]
        assert {(remote, server) for _, _, remote, server, _ in record.all()} == {(address, "smtp")}
        assert len({uuid for *_, uuid in record.all()}) == 1


@pytest.mark.parametrize(
    ("order", "receives", "ends"),
    [
        ("read", b"", False),
        ("empty", b"", False),
        ("x", b"x\r\n", False),
        ("close", b"", True),
        ("write-and-close", b"bye", True),
    ],
)
def test_each_verdict_does_what_it_says(order: str, receives: bytes, ends: bool, tmp_path: Path) -> None:
    """Those that close send CLOSE after it; the others take a second message."""
    with recorded(tmp_path) as daemon:
        record = Recorded(daemon, tmp_path / "record")
        client = daemon.connect()
        client.sends(order.encode() + b"\r\n")
        if ends:
            assert client.rest() == receives
        else:
            client.sends(b"again\r\n")
            assert client.receives(len(receives) + 7) == receives + b"again\r\n"
        client.leaves()
        assert record.told()[-1] == ("CLOSE", "")
        assert [event for event, _ in record.told()].count("CLOSE") == 1


@pytest.mark.parametrize(("order", "receives"), [("close", b""), ("write-and-close", b"bye")])
def test_a_connection_can_be_refused_by_a_worker(order: str, receives: bytes, tmp_path: Path) -> None:
    """It hears CLOSE, and never DATA."""
    with recorded(tmp_path, env={"CONNECTED": order}) as daemon:
        client = daemon.connect()
        assert client.rest() == receives
        client.leaves()
        assert Recorded(daemon, tmp_path / "record").told() == [("CONNECTED", ""), ("CLOSE", "")]


@pytest.mark.parametrize("order", ["x", "close", "write-and-close"])
def test_what_is_answered_to_close_does_not_matter(order: str, tmp_path: Path) -> None:
    """It is awaited and dropped."""
    with recorded(tmp_path, env={"CLOSE": order}) as daemon:
        daemon.connect().leaves()
        assert Recorded(daemon, tmp_path / "record").told() == [("CONNECTED", ""), ("CLOSE", "")]
        assert daemon.events("event_failed") == []


def test_two_lines_in_one_segment_are_two_events(tmp_path: Path) -> None:
    """RoadRunner makes one of them."""
    with recorded(tmp_path) as daemon:
        client = daemon.connect()
        client.sends(b"a\r\nb\r\nc")
        assert client.receives(6) == b"a\r\nb\r\n"
        client.sends(b"d\r")
        client.sends(b"\n")  # RoadRunner hangs up on a delimiter in two halves
        assert client.receives(4) == b"cd\r\n"
        client.leaves()
        messages = [body for event, body in Recorded(daemon, tmp_path / "record").told() if event == "DATA"]
        assert messages == ["a\r\n", "b\r\n", "cd\r\n"]


def test_what_is_left_at_the_end_is_data_and_then_comes_close(tmp_path: Path) -> None:
    """RoadRunner says CLOSE, DATA, CLOSE. A client that still listens gets its answer, and then the end."""
    with recorded(tmp_path) as daemon:
        client = daemon.connect()
        client.sends(b"one\r\npartial")
        client.finishes()
        assert client.rest() == b"one\r\npartial"
        told = Recorded(daemon, tmp_path / "record").told()
        assert told == [("CONNECTED", ""), ("DATA", "one\r\n"), ("DATA", "partial"), ("CLOSE", "")]


def test_nothing_follows_a_verdict_that_closes(tmp_path: Path) -> None:
    """What the client has sent after it is not looked at."""
    with recorded(tmp_path) as daemon:
        client = daemon.connect()
        client.sends(b"write-and-close\r\nmore\r\nrest")
        assert client.rest() == b"bye"
        client.leaves()
        told = Recorded(daemon, tmp_path / "record").told()
        assert told == [("CONNECTED", ""), ("DATA", "write-and-close\r\n"), ("CLOSE", "")]


def test_close_comes_after_a_reset_too(tmp_path: Path) -> None:
    """However a connection ends; the unfinished message of one that was reset is dropped."""
    with recorded(tmp_path) as daemon:
        client = daemon.connect()
        client.sends(b"hello\r\n")
        client.receives(7)
        client.sends(b"unfinished")
        client.vanishes()
        told = Recorded(daemon, tmp_path / "record").told()
        assert [event for event, _ in told] in (["CONNECTED", "DATA", "CLOSE"], ["CONNECTED", "DATA", "DATA", "CLOSE"])


def test_close_comes_when_the_daemon_stops(tmp_path: Path) -> None:
    """RoadRunner's workers never hear of it."""
    with contextlib.ExitStack() as stack:
        with recorded(tmp_path) as daemon:
            client = stack.enter_context(Talker.connect(daemon.address()))
            client.sends(b"hello\r\n")
            client.receives(7)
        assert [event for event, _ in Recorded(daemon, tmp_path / "record").told()] == ["CONNECTED", "DATA", "CLOSE"]


def test_another_delimiter_and_other_servers(tmp_path: Path) -> None:
    """Several servers share the workers, each with its own delimiter and name; one may be a unix socket."""
    servers = {
        "smtp": {"addr": "tcp://127.0.0.1:0"},
        "ends": {"addr": "tcp://127.0.0.1:0", "delimiter": "--end--"},
        "local": {"addr": f"unix://{tmp_path}/local", "delimiter": ""},
        "echo": {"addr": "tcp://127.0.0.1:0", "app": "echo"},
    }
    with recorded(tmp_path, servers=servers) as daemon:
        for number, message in enumerate([b"a\n\r\n", b"a\r\n--end--", b"a\r\n", b"raw"]):
            client = daemon.connect(number)
            client.sends(message)
            assert client.receives(len(message)) == message
            client.leaves()
        daemon.wait_for("connection_closed", 4)
        data = {
            (server, body): remote
            for event, body, remote, server, _ in Recorded(daemon, tmp_path / "record").all()
            if event == "DATA"
        }
        assert set(data) == {("smtp", "a\n\r\n"), ("ends", "a\r\n--end--"), ("local", "a\r\n")}
        assert data["local", "a\r\n"] == "@"


def test_a_client_need_not_wait_for_what_is_done_at_close(tmp_path: Path) -> None:
    """It sees the end while the worker is still busy with CLOSE."""
    with serving("hangs", tmp_path, env={"BAD_AT": "CLOSE"}, pool={"close_timeout": "1s"}) as daemon:
        client = daemon.connect()
        client.finishes()
        client.is_gone_quietly()
        assert daemon.events("event_failed") == []
        daemon.wait_for("event_failed")


def test_a_large_message_and_a_slow_reader(tmp_path: Path) -> None:
    """Three megabytes are one event; its answer waits for a client that takes its time."""
    message = b"x" * 3_000_000 + b"\r\n"
    with recorded(tmp_path) as daemon:
        client = daemon.connect()
        client.sends(message)
        assert client.receives(len(message)) == message


def test_an_endless_message_is_cut_off(tmp_path: Path) -> None:
    """max_message_bytes keeps one client from filling the memory; the worker hears CLOSE."""
    servers = {"smtp": {"addr": "tcp://127.0.0.1:0", "limits": {"max_message_bytes": 1024}}}
    with recorded(tmp_path, servers=servers) as daemon:
        client = daemon.connect()
        client.sends(b"x" * 2000)
        assert client.rest() == b""
        client.leaves()
        assert Recorded(daemon, tmp_path / "record").told() == [("CONNECTED", ""), ("CLOSE", "")]


def test_connections_are_refused_while_no_worker_can_be_started(tmp_path: Path) -> None:
    """At once, not after allocate_timeout; and accepted again when one can."""
    may_start = tmp_path / "may-start"
    may_start.touch()
    with serving("starts_when_allowed", tmp_path, env={"MAY_START": str(may_start)}) as daemon:
        client = daemon.connect()
        may_start.unlink()
        client.sends(b"bad\r\n")
        client.is_gone_quietly()
        daemon.wait_for("worker_start_failed")
        daemon.connect().is_gone_quietly()
        may_start.touch()
        daemon.wait_for("worker_started", 2)
        client = daemon.connect()
        client.sends(b"hello\r\n")
        assert client.receives(7) == b"hello\r\n"
