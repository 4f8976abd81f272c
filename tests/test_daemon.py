"""The daemon as a whole: what it builds, in what order it starts, and that it takes everything back."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
import structlog

from tests.conftest import Serve
from tests.talker import Talker
from threadchat.base.errors import ListenError
from threadchat.base.log import Log
from threadchat.config.loading import parse
from threadchat.daemon import Daemon

LOG: Log = structlog.wrap_logger(structlog.testing.CapturingLogger())


def test_it_starts_and_stops_without_leaving_anything() -> None:
    """In this very process, so that the leak fixture sees it; twice, because stopping is final."""
    for _ in range(2):
        daemon = Daemon(parse({"tcp": {"servers": {"lobby": {"addr": "tcp://127.0.0.1:0"}}}}), LOG)
        daemon.start_workers()
        daemon.start()
        with Talker.connect(("127.0.0.1", daemon.servers[0].socket.getsockname()[1])) as talker:
            talker.sees("Welcome to the chatroom!")
            daemon.stop()
            talker.waits_for("* The server is shutting down. Goodbye!")
            talker.is_gone_quietly()


def test_an_address_that_cannot_be_had_leaves_nothing_bound() -> None:
    """The listeners before it are closed again."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        addresses = ["tcp://127.0.0.1:0", f"tcp://127.0.0.1:{port}"]
        with pytest.raises(ListenError, match=f"cannot listen on tcp://127.0.0.1:{port}"):
            Daemon(parse({"tcp": {"servers": {"lobby": {"addr": addresses}}}}), LOG)


def test_several_servers_in_one_daemon(serve: Serve, tmp_path: Path) -> None:
    """A chat, an echo and a broadcast side by side; a limit is shared by all addresses of one server."""
    config = tmp_path / "three.toml"
    config.write_text(
        """
        [tcp.servers.lobby]
        addr = ["tcp://127.0.0.1:0", "tcp://127.0.0.1:0"]
        limits = { max_connections = 1 }
        [tcp.servers.mirror]
        addr = "tcp://127.0.0.1:0"
        app = "echo"
        [tcp.servers.all]
        addr = "tcp://127.0.0.1:0"
        app = "broadcast"
        """
    )
    daemon = serve("--config", str(config))
    ports = [int(event["address"].rsplit(":", 1)[1]) for event in daemon.logs("listening", 4)]
    first, second, mirror, everybody = (daemon.connect_to(("127.0.0.1", port)) for port in ports)
    seen = {first.line(), second.line()}
    assert seen == {"Welcome to the chatroom!", "* The server is full (connections: 1). Please try later."}
    for talker in (mirror, everybody):
        talker.sends(b"hello")
        assert talker.receives(5) == b"hello"


def test_the_log_is_json_lines_when_nobody_watches(serve: Serve) -> None:
    """One event for a connection opened and one for it closed, with why, how long and how much; none a message."""
    chat = serve()
    alice = chat.guest()
    alice.says("one")
    alice.says("two")
    alice.finishes()
    alice.rest()
    (closed,) = chat.logs("connection_closed")
    assert closed["reason"] == "eof"
    assert closed["lines_in"] == 2
    assert closed["bytes_in"] == 8
    assert closed["bytes_out"] > 0
    assert closed["seconds"] >= 0
    chat.stop()
    names = [json.loads(line)["event"] for line in chat.output.splitlines()]
    assert names == ["listening", "connection_opened", "connection_closed", "stopping", "stopped"]
