"""``threadchat serve`` with workers, as it is typed: the examples, .rr.yaml, PHP, and its end."""

from __future__ import annotations

import json
import re
import signal
import sys
from pathlib import Path

import pytest

from tests import debian
from tests.conftest import Serve
from tests.running import Running
from tests.waiting import DEADLINE
from tests.workers.serving import ROOT

EXAMPLES = ROOT / "examples"
PYTHON = sys.executable


@pytest.fixture(autouse=True)
def own_runtime_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The RPC sockets of these daemons are nobody else's."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


def configured(serve: Serve, directory: Path, command: str, *servers: str, name: str = "threadchat.toml") -> Running:
    """Run a daemon with two workers and these servers."""
    path = directory / name
    lines = [f"[server]\ncommand = {json.dumps(command)}\n[tcp.pool]\nnum_workers = 2\n"]
    lines += [f'[tcp.servers.{server}]\naddr = "tcp://127.0.0.1:0"\n' for server in servers]
    path.write_text("".join(lines))
    return serve("--config", str(path))


def address(daemon: Running, server: str) -> tuple[str, int]:
    (event,) = [event for event in daemon.logs("listening") if event["server"] == server]
    return "127.0.0.1", int(event["address"].rpartition(":")[2])


def test_the_documented_worker(serve: Serve, tmp_path: Path) -> None:
    """RoadRunner's example in Python: a greeting, access denied, and the request as JSON."""
    servers = ("smtp", "tcp_access_point_1", "server2")
    daemon = configured(serve, tmp_path, f"{PYTHON} {EXAMPLES}/tcp_worker.py", *servers)
    denied = daemon.connect_to(address(daemon, "tcp_access_point_1"))
    assert denied.receives(15) == b"220 mailamie \r\n"
    denied.sends(b"hello\r\n")
    assert denied.rest() == b"Access denied"
    echoed = daemon.connect_to(address(daemon, "server2"))
    assert echoed.receives(15) == b"220 mailamie \r\n"
    echoed.sends("grüß\r\n".encode())
    answer = json.loads(echoed.receives(echoed_length(echoed.socket.getsockname())))
    assert answer == {
        "remote_addr": "{}:{}".format(*echoed.socket.getsockname()),
        "server": "server2",
        "uuid": answer["uuid"],
        "body": "grüß\r\n",
        "event": "DATA",
    }
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", answer["uuid"])


def echoed_length(name: tuple[str, int]) -> int:
    """How long the JSON is that the example answers to ``grüß``."""
    remote = "{}:{}".format(*name)
    fields = {"remote_addr": remote, "server": "server2", "uuid": "x" * 36, "body": "grüß\r\n", "event": "DATA"}
    return len(json.dumps(fields))


def test_the_greeter(serve: Serve, tmp_path: Path) -> None:
    """Commands that come in one segment are answered one by one: mail clients send them so."""
    daemon = configured(serve, tmp_path, f"{PYTHON} {EXAMPLES}/smtp_greeter.py", "smtp")
    client = daemon.connect()
    assert client.line() == "220 mail.example ESMTP ready\r"
    client.sends(b"EHLO me\r\nNOOP\r\nXYZZY\r\nQUIT\r\n")
    assert client.rest().decode().split("\r\n") == [
        "250-mail.example",
        "250 8BITMIME",
        "250 OK",
        "502 Command not implemented",
        "221 mail.example closes the connection",
        "",
    ]


def test_the_bot(serve: Serve, tmp_path: Path) -> None:
    """A worker speaks to connections that have asked it nothing."""
    daemon = configured(serve, tmp_path, f"{PYTHON} {EXAMPLES}/chat_bot.py", "room")
    alice, bob = daemon.connect(), daemon.connect()
    for client in (alice, bob):
        assert client.line().startswith("You are guest-")
    alice.sends(b"!roll\r\n")
    for client in (alice, bob):
        assert re.fullmatch(r"guest-\w{4}: !roll\r", client.line())
        assert re.fullmatch(r"bot: guest-\w{4} rolls [1-6]\r", client.line())


def test_an_unmodified_rr_yaml_beside_other_apps(serve: Serve, tmp_path: Path) -> None:
    """``threadchat serve --config .rr.yaml`` is all it takes; what is not ours is named once."""
    (tmp_path / ".rr.yaml").write_text(
        f"""
version: "3"
http: {{address: 127.0.0.1:8080}}
server: {{command: "{PYTHON} {EXAMPLES}/smtp_greeter.py"}}
tcp:
  servers:
    smtp: {{addr: "tcp://127.0.0.1:0"}}
    lobby: {{addr: "tcp://127.0.0.1:0", app: chat}}
    echo: {{addr: "tcp://127.0.0.1:0", app: echo}}
  pool: {{num_workers: 1, allocate_timeout: 60s, destroy_timeout: 60s}}
"""
    )
    daemon = serve("--config", str(tmp_path / ".rr.yaml"))
    assert daemon.connect_to(address(daemon, "smtp")).line() == "220 mail.example ESMTP ready\r"
    assert daemon.connect_to(address(daemon, "lobby")).line() == "Welcome to the chatroom!"
    echo = daemon.connect_to(address(daemon, "echo"))
    echo.sends(b"hello")
    assert echo.receives(5) == b"hello"
    assert [event["ignored"] for event in daemon.logs("config_ignored")] == [["http"]]


@pytest.mark.parametrize("relay", ["pipes", "unix"])
def test_a_php_worker(relay: str, serve: Serve, tmp_path: Path) -> None:
    """
    Written in plain PHP as RoadRunner's library reads and writes: one fread for a header, answers to every
    question who it is, a farewell at the end; and, as in RoadRunner's documented example, no answer to CLOSE.
    """
    php = debian.require("php")
    path = tmp_path / "threadchat.toml"
    where = "pipes" if relay == "pipes" else f"unix://{tmp_path}/relay"
    path.write_text(
        f'[server]\ncommand = "{php} {ROOT}/tests/workers/worker.php"\nrelay = "{where}"\n'
        '[tcp.pool]\nnum_workers = 2\n[tcp.servers.smtp]\naddr = "tcp://127.0.0.1:0"\n'
    )
    daemon = serve("--config", str(path))
    for _ in range(5):
        client = daemon.connect()
        assert client.line() == "220 hi\r"
        for number in range(10):
            client.says(f"{number}\r")
            assert client.line() == f"{number}\r"
        client.says("bye\r")
        assert client.rest() == b"bye\r\n"
        client.leaves()
    client = daemon.connect()
    assert client.line() == "220 hi\r"
    client.says("twice\r")
    assert client.line() == "first\r"
    other = daemon.connect()
    assert [other.line(), daemon.connect().line()] == ["220 hi\r"] * 2
    assert [event["reason"] for event in daemon.logs("worker_stopped")] == ["it sent a second frame for one event"]
    assert daemon.events("event_failed") == []
    assert daemon.events("workers_not_provable") == []
    assert daemon.stop() == 0
    ends = [event["status"] for event in daemon.events("worker_stopped")[1:]]
    assert ends == [0, 0]


def test_a_worker_that_does_not_start_ends_the_daemon(serve: Serve, tmp_path: Path) -> None:
    """With status 1 and the reason, in a sentence; nothing has been accepted."""
    daemon = configured(serve, tmp_path, "/nowhere/php worker.php", "smtp")
    assert daemon.process.wait(DEADLINE) == 1
    assert "threadchat: worker '/nowhere/php worker.php': No such file or directory: /nowhere/php" in daemon.output
    assert daemon.events("listening") == []


def test_an_answer_in_the_making_is_still_sent_at_the_end(serve: Serve, tmp_path: Path) -> None:
    """SIGTERM waits for the event in flight; no worker is left."""
    (tmp_path / "slow.py").write_text(
        "import time\nfrom threadchat.sdk import TcpEvent, TcpWorker\nworker = TcpWorker()\n"
        "for request in worker:\n    if request.event is TcpEvent.DATA:\n"
        "        print('working')\n        time.sleep(0.5)\n        worker.respond('done')\n"
        "    else:\n        worker.read()\n"
    )
    daemon = configured(serve, tmp_path, f"{PYTHON} {tmp_path}/slow.py", "smtp")
    client = daemon.connect()
    client.sends(b"work\r\n")
    daemon.logs("worker_stderr")
    daemon.process.send_signal(signal.SIGTERM)
    assert client.rest() == b"done"
    client.leaves()
    assert daemon.process.wait(DEADLINE) == 0
    assert [event["status"] for event in daemon.events("worker_stopped")] == [0, 0]
