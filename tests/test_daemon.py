"""The daemon as a whole: what it builds, in what order it starts, and that it takes everything back."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
import structlog
from structlog.testing import LogCapture

from tests.conftest import Serve
from tests.talker import Talker
from tests.waiting import DEADLINE
from tests.workers.serving import captured_log
from threadchat.base.errors import ListenError
from threadchat.base.log import Log
from threadchat.config.loading import parse
from threadchat.config.sections import Config
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


def listening_on(**addresses: str | list[str]) -> Config:
    """Return a configuration with a chat room for each name."""
    return parse({"tcp": {"servers": {name: {"addr": addr} for name, addr in addresses.items()}}})


@contextlib.contextmanager
def running(
    config: Config, inherited: Mapping[str, Sequence[int]] | None = None
) -> Iterator[tuple[Daemon, LogCapture]]:
    """Give a daemon in this very process, and what it logs."""
    log, capture = captured_log()
    daemon = Daemon(config, log, inherited)
    try:
        daemon.start_workers()
        daemon.start()
        yield daemon, capture
    finally:
        daemon.stop()


def test_an_address_that_cannot_be_had_does_not_cost_the_others() -> None:
    """Be it another one of the same server, or another server's. It is logged, with the reason."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        bad = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        with running(listening_on(ops=bad, lobby=[bad, "tcp://127.0.0.1:0"])) as (daemon, logged):
            (server,) = daemon.servers
            with Talker.connect(("127.0.0.1", server.socket.getsockname()[1])) as talker:
                talker.sees("Welcome to the chatroom!")
    errors = [entry for entry in logged.entries if entry["log_level"] == "error"]
    assert [(entry["event"], entry["server"]) for entry in errors] == [
        ("not_listening", name) for name in ("ops", "lobby")
    ]
    assert all(entry["problem"].startswith(f"cannot listen on {bad}: another program") for entry in errors)


def test_without_any_address_it_does_not_start() -> None:
    """All that is wrong is told at once."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        bad = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ListenError) as refusal:
            Daemon(listening_on(lobby=bad, ops="unix:///nowhere/socket"), LOG)
    first, second = str(refusal.value).splitlines()
    assert first.startswith(f"cannot listen on {bad}: ")
    assert second.startswith("cannot listen on unix:///nowhere/socket: ")


class TestListenersOfSystemd:
    """They take the place of the addresses in the configuration, each by its name."""

    def test_an_address_that_is_not_used_is_explained(self) -> None:
        """But not where systemd listens there, as the files that we ship have it."""
        port, fd = handed_over()
        with running(listening_on(lobby=f"tcp://127.0.0.1:{port}"), {"lobby": [fd]}) as (_, logged):
            assert [entry["event"] for entry in logged.entries] == ["listening"]
        port, fd = handed_over()
        with running(listening_on(lobby="tcp://0.0.0.0:7007"), {"lobby": [fd]}) as (_, logged):
            explained, listening = logged.entries
        assert (explained["event"], explained["addr"]) == ("addr_not_used", ["tcp://0.0.0.0:7007"])
        assert explained["reason"] == "systemd gives the listener named lobby: change its .socket unit instead"
        assert listening["address"] == f"tcp://127.0.0.1:{port}"

    def test_a_server_without_one_is_not_tried_by_hand(self) -> None:
        """The service may not bind anything. The others are served."""
        port, fd = handed_over()
        config = listening_on(lobby=f"tcp://127.0.0.1:{port}", ops="tcp://127.0.0.1:0")
        with running(config, {"lobby": [fd]}) as (daemon, logged):
            assert [server.name for server in daemon.servers] == ["lobby"]
        (error,) = [entry for entry in logged.entries if entry["log_level"] == "error"]
        assert (error["event"], error["server"]) == ("not_listening", "ops")
        assert error["problem"] == (
            "systemd gives no listener named ops: enable threadchat@ops.socket (see docs/operations.md)"
        )

    def test_without_any_that_is_known_it_does_not_start(self) -> None:
        """A unit that has forgotten FileDescriptorName=, say."""
        _, fd = handed_over()
        with pytest.raises(ListenError, match=r"systemd gives no listener named lobby: enable threadchat\.socket"):
            Daemon(listening_on(lobby="tcp://127.0.0.1:0"), LOG, {"unknown": [fd]})
        os.close(fd)

    def test_what_a_predecessor_has_bound_is_not_systemds(self) -> None:
        """Then a new server is bound as well."""
        _, fd = handed_over()
        config = listening_on(lobby="tcp://127.0.0.1:1", ops="tcp://127.0.0.1:0")
        log, capture = captured_log()
        daemon = Daemon(config, log, {"lobby": [fd]}, owned={"lobby"})
        assert [server.name for server in daemon.servers] == ["lobby", "ops"]
        assert capture.entries == []
        daemon.stop()


def handed_over() -> tuple[int, int]:
    """Return a port, and a descriptor that listens there, which a daemon is to close."""
    sock = socket.create_server(("127.0.0.1", 0))
    return sock.getsockname()[1], sock.detach()


def test_a_unix_socket_is_for_whom_the_configuration_says(serve: Serve, tmp_path: Path) -> None:
    """Also when the program is replaced."""
    path, config = tmp_path / "chat.sock", tmp_path / "unix.toml"
    config.write_text(f'[tcp.servers.lobby]\naddr = "unix://{path}"\nsocket_mode = "0666"\n')
    daemon = serve("--config", str(config))
    for count in (1, 2):
        daemon.logs("listening", count)
        assert stat.S_IMODE(path.stat().st_mode) == 0o666
        daemon.connect_to(str(path)).sees("Welcome to the chatroom!")
        if count == 1:
            daemon.process.send_signal(signal.SIGUSR2)


#: Becomes a daemon that has inherited what the first argument says, as systemd would start it.
SUCCESSOR = """
import json, os, sys
from threadchat.process.systemd import hand_down
variables = hand_down(json.loads(sys.argv[1]), ())
os.execve(sys.executable, [sys.executable, "-m", "threadchat", *sys.argv[2:]], {**os.environ, **variables})
"""


class Store:
    """Plays systemd's descriptor store: what a daemon leaves is kept, by name."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(DEADLINE)
        self.kept: dict[str, list[int]] = {}

    def keep_until_ready(self) -> None:
        """Keep what is stored; answer barriers."""
        message = b""
        while b"READY=1" not in message:
            message, fds, _, _ = socket.recv_fds(self._socket, 4096, 16)
            if b"FDSTORE=1" in message:
                name = message.partition(b"FDNAME=")[2].split(b"\n")[0].decode()
                self.kept.setdefault(name, []).extend(fds)
            else:
                for fd in fds:
                    os.close(fd)

    def close(self) -> None:
        self._socket.close()
        for fd in [fd for fds in self.kept.values() for fd in fds]:
            os.close(fd)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("FDSTORE", "16")
    store = Store(tmp_path / "notify")
    yield store
    store.close()


def test_those_whose_listener_is_gone_go_on_talking(serve: Serve, tmp_path: Path, store: Store) -> None:
    """A listener that cannot be had after a restart keeps newcomers out, and costs nobody who is there."""
    config = tmp_path / "two.toml"
    config.write_text('[tcp.servers]\nlobby.addr = "tcp://127.0.0.1:0"\nops.addr = "tcp://127.0.0.1:0"\n')
    first = serve("--config", str(config))
    store.keep_until_ready()
    ops = first.connect_to(("127.0.0.1", int(first.addresses[1].rpartition(":")[2])))
    ops.sees("Welcome to the chatroom!")
    ops.sees_matching(r"\* You are guest-1, .*")
    assert first.stop() == 0
    port, fd = handed_over()
    command = [sys.executable, "-c", SUCCESSOR, json.dumps({"lobby": [fd], **store.kept})]
    fds = [fd, *[kept for group in store.kept.values() for kept in group]]
    command += ["serve", "--config", str(config)]
    with subprocess.Popen(command, pass_fds=fds, stderr=subprocess.PIPE, text=True) as second:
        os.close(fd)
        store.keep_until_ready()
        with Talker.connect(("127.0.0.1", port)) as lobby:
            lobby.sees("Welcome to the chatroom!")
            lobby.sees_matching(r"\* You are guest-2, .*guest-1.*")
            ops.says("still here")
            lobby.waits_for("guest-1: still here")
        second.send_signal(signal.SIGUSR1)  # nobody will go on with them
        second.terminate()
        assert "Goodbye" in ops.rest().decode()
        assert second.stderr
        assert "systemd gives no listener named ops" in second.stderr.read()
    assert second.returncode == 0


def test_limits_can_be_changed_while_it_runs() -> None:
    """All but what connections have been counted by, which is told."""

    def config(**limits: object) -> Config:
        return parse({"tcp": {"servers": {"lobby": {"addr": "tcp://127.0.0.1:0", "limits": limits}}}})

    with running(config()) as (daemon, _):
        assert daemon.reconfigure(config(keepalive_time="7s", connections_per_minute_per_address=5)) == []
        assert daemon.servers[0].socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 7
        assert daemon._pacers["lobby"].per_minute == 5
        assert daemon.reconfigure(config(ipv6_prefix=48)) == ["tcp.servers.lobby.limits.ipv6_prefix"]
