"""The life of the process: what each signal does, and what a service manager is told."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Serve
from tests.running import Running
from tests.waiting import DEADLINE, until
from threadchat.process.lifecycle import rehearse

CONFIG = '[tcp.servers.lobby]\naddr = "tcp://127.0.0.1:0"\nwelcome = "%s"\nlimits = { max_connections = %d }\n'


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "threadchat.toml"
    path.write_text(CONFIG % ("Hello!", 10))
    return path


@pytest.fixture
def chat(serve: Serve, config: Path) -> Running:
    chat = serve("--config", str(config))
    chat.logs("listening")
    return chat


def test_a_hang_up_has_the_configuration_read_again(chat: Running, config: Path) -> None:
    """Those who come from then on are greeted anew, and limited anew; what needs a restart is named."""
    old = chat.connect()
    old.sees("Hello!")
    config.write_text((CONFIG % ("Hi!", 2)).replace(":0", ":1") + '[tcp.servers.new]\naddr = "tcp://127.0.0.1:0"\n')
    chat.process.send_signal(signal.SIGHUP)
    (event,) = chat.logs("reloaded")
    assert event["needs_restart"] == ["tcp.servers.new", "tcp.servers.lobby.addr"]
    chat.connect().sees("Hi!")
    chat.connect().sees("* The server is full (connections: 2). Please try later.")


def test_a_wrong_configuration_is_refused_and_the_old_one_kept(chat: Running, config: Path) -> None:
    """With everything that is wrong with it in the log."""
    config.write_text("[tcp.servers.lobby]\nadr = 1\n")
    chat.process.send_signal(signal.SIGHUP)
    (event,) = chat.logs("reload_refused")
    assert f"{config}:1: tcp.servers.lobby.addr: field required" in event["problems"]
    chat.connect().sees("Hello!")


def test_without_a_file_there_is_nothing_to_read_again(serve: Serve) -> None:
    chat = serve()
    chat.logs("listening")
    chat.process.send_signal(signal.SIGHUP)
    chat.logs("reload_without_file")
    chat.guest()


def test_a_program_that_would_not_start_does_not_replace_one_that_runs(chat: Running, config: Path) -> None:
    """The log says why, and nobody notices; once it is mended it does."""
    alice = chat.connect()
    alice.waits_for("Hello!")
    good = config.read_text()
    config.write_text("[tcp.servers.lobby]\nadr = 1\n")
    chat.process.send_signal(signal.SIGUSR2)
    (event,) = chat.logs("replace_refused")
    assert "tcp.servers.lobby.addr: field required" in event["problem"]
    alice.says("/who")
    alice.waits_for("* 1 in lobby: guest-1")
    config.write_text(good)
    chat.process.send_signal(signal.SIGUSR2)
    chat.logs("connections_taken_over")
    assert not chat.events("replacing")[1:]


@pytest.mark.parametrize(
    ("program", "problem"),
    [
        ("import sys; sys.exit(3)", "it ends with status 3"),
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("import time; time.sleep(100)", "it does not start within 0.5 s"),
        ("import sys; sys.exit(sys.argv[1:] != ['serve', '--dry-run'])", ""),
    ],
)
def test_a_rehearsal_finds_out_whether_a_program_would_start(
    program: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its own arguments."""
    monkeypatch.setattr(sys, "orig_argv", [sys.executable, "-c", program, "serve"])
    found = rehearse(None, seconds=0.5 if "sleep" in program else DEADLINE)
    assert found.endswith(problem)
    assert bool(found) == bool(problem)


def test_without_python_there_is_no_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An upgrade that goes on just now, say."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python3"))
    assert "No such file" in rehearse(None)


def test_a_replaced_program_knows_everybody(chat: Running) -> None:
    """Names, rooms, half a line, telnet; also those who come meanwhile are served; and the next one as well."""
    alice, bob = chat.connect(), chat.connect()
    for talker, name in ((alice, "alice"), (bob, "bob")):
        talker.says(f"/nick {name}")
        talker.waits_for(f"* You are now {name}")
        talker.says("/join den")
    bob.sees("* You are in den, with alice.")
    alice.sends(b"\xff\xfb\x1fhello ")  # IAC WILL NAWS: a telnet client, who is refused once
    until(lambda: alice.receives(1) == b"\xff", "the refusal")
    assert alice.receives(2) == b"\xfe\x1f"
    for count in (1, 2):
        chat.process.send_signal(signal.SIGUSR2)
        chat.logs("replacing", count)
        late = chat.connect()
        late.sees("Hello!")
        late.sees_matching(r"\* You are guest-\d+, .*")
        assert chat.logs("connections_taken_over", count)[-1]["count"] == 2 + count - 1
        alice.sends(b"there\nhello ")
        bob.sees("alice: hello there")
    bob.says("hi")
    alice.waits_for("bob: hi\r")
    late.says("/nick alice")
    late.sees_matching(r"\* The name alice is taken.*")


def test_lines_held_back_by_flood_control_are_said_by_the_next_program(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "slow.toml"
    limits = "limits = { flood_lines_per_second = 25.0, flood_burst_lines = 1 }"
    path.write_text(f'[tcp.servers.lobby]\naddr = "tcp://127.0.0.1:0"\n{limits}\n')
    chat = serve("--config", str(path))
    alice, bob = chat.guest(), chat.guest()
    alice.sends(b"".join(b"%d\n" % number for number in range(60)))
    bob.sees("guest-1: 0")
    chat.process.send_signal(signal.SIGUSR2)
    bob.sees(*[f"guest-1: {number}" for number in range(1, 60)])
    assert len(chat.events("replacing")) == 1


def test_what_a_reader_has_not_read_is_sent_by_the_next_program(serve: Serve, tmp_path: Path) -> None:
    """Every byte of it, in order: what the kernel had, and what was queued."""
    path = tmp_path / "roomy.toml"
    limits = "limits = { flood_lines_per_second = 0.0, send_queue_bytes = 100000000 }"
    path.write_text(f'[tcp.servers.lobby]\naddr = "tcp://127.0.0.1:0"\n{limits}\n')
    chat = serve("--config", str(path))
    talker = chat.guest()
    stuck = chat.connect(receive_buffer=4096)
    stuck.waits_for("Welcome to the chatroom!")
    stuck.sees_matching(r"\* You are guest-2.*")
    lines = [f"{number:04} {'x' * 4000}" for number in range(2000)]
    for line in lines:
        talker.says(line)
    talker.says("/who")
    talker.waits_for("* 2 in lobby: guest-1 and guest-2")
    chat.process.send_signal(signal.SIGUSR2)
    chat.logs("connections_taken_over")
    stuck.sees(*[f"guest-1: {line}" for line in lines])


def test_echo_and_broadcast_go_on_as_well(serve: Serve) -> None:
    for app in ("echo", "broadcast"):
        server = serve("--app", app)
        talker = server.connect()
        talker.sends(b"before")
        assert talker.receives(6) == b"before"
        server.process.send_signal(signal.SIGUSR2)
        talker.sends(b"after")
        assert talker.receives(5) == b"after"
        server.logs("connections_taken_over")


def test_a_path_is_removed_by_the_last_program(serve: Serve, tmp_path: Path) -> None:
    """Which has not bound it, but has it from one that has."""
    path = tmp_path / "socket"
    server = serve("--listen", f"unix://{path}")
    server.logs("listening")
    for count in (2, 3):
        server.process.send_signal(signal.SIGUSR2)
        server.logs("listening", count)
        assert path.is_socket()
    assert server.stop() == 0
    assert not path.exists()


def test_who_is_told_to_stop_while_it_is_replaced_stops(chat: Running) -> None:
    """No signal is lost between two programs."""
    alice = chat.connect()
    alice.sees("Hello!")
    chat.process.send_signal(signal.SIGUSR2)
    chat.logs("replacing")
    assert chat.stop() == 0
    alice.waits_for("* The server is shutting down. Goodbye!")


#: A worker that starts once, and hangs from then on.
STUBBORN = """
import pathlib, sys, time
started, hanging = map(pathlib.Path, sys.argv[1:])
if started.exists():
    hanging.touch()
    time.sleep(3600)
started.touch()
from threadchat.sdk import TcpWorker
TcpWorker().serve(lambda request: None)
"""


class Stubborn:
    """A daemon with a chat room and a worker that does not come back."""

    def __init__(self, serve: Serve, directory: Path) -> None:
        self.started, self.hanging = directory / "started", directory / "hanging"
        (directory / "worker.py").write_text(STUBBORN)
        command = json.dumps([sys.executable, str(directory / "worker.py"), str(self.started), str(self.hanging)])
        (directory / "workers.toml").write_text(
            f"server.command = {command}\n"
            '[tcp.servers]\nlobby = {addr = "tcp://127.0.0.1:0", app = "chat"}\necho = {addr = "tcp://127.0.0.1:0"}\n'
            "[tcp.pool]\nnum_workers = 1\n"
        )
        self._serve, self.config = serve, directory / "workers.toml"

    def __call__(self) -> Running:
        return self._serve("--config", str(self.config))

    def hangs(self) -> None:
        """Wait until the worker does not start."""
        until(self.hanging.exists, "the worker to hang")


@pytest.fixture
def stubborn(serve: Serve, tmp_path: Path) -> Stubborn:
    return Stubborn(serve, tmp_path)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_who_is_told_to_stop_while_workers_start_stops(stubborn: Stubborn, number: int) -> None:
    """At once, with the worker that does not start."""
    stubborn.started.touch()
    daemon = stubborn()
    stubborn.hangs()
    assert daemon.stop(number) == 0
    assert daemon.events("start_cancelled")


#: Told to stop before it listens for signals, by a program that has replaced itself with this one.
TOLD_EARLY = """
import os, pathlib, signal, sys
from threadchat.config.loading import load
from threadchat.base.log import set_up_log
from threadchat.daemon import Daemon
from threadchat.process.lifecycle import run
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
os.kill(os.getpid(), signal.SIGTERM)
sys.exit(run(Daemon, load(pathlib.Path(sys.argv[1])).config, set_up_log()))
"""


def test_who_is_told_to_stop_before_that_does_not_even_start_workers(stubborn: Stubborn) -> None:
    """No signal is too early."""
    stubborn.started.touch()
    command = [sys.executable, "-c", TOLD_EARLY, str(stubborn.config)]
    told = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, check=False)
    assert told.returncode == 0
    assert '"event": "start_cancelled"' in told.stderr
    assert not stubborn.hanging.exists()


def test_those_who_are_there_do_not_wait_for_workers(stubborn: Stubborn) -> None:
    """The next program goes on with them, whether its workers start or not, and says goodbye to them."""
    daemon = stubborn()
    alice, bob = daemon.guest(), daemon.guest()
    daemon.process.send_signal(signal.SIGUSR2)
    stubborn.hangs()
    bob.says("still here")
    alice.waits_for("guest-2: still here")
    assert daemon.stop() == 0
    alice.waits_for("* The server is shutting down. Goodbye!")


class Manager:
    """What a service manager hears from a daemon."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.settimeout(DEADLINE)
        self.heard: list[str] = []

    def hears(self, assignment: str) -> None:
        """Wait for one message; answer barriers on the way."""
        while not any(assignment in message for message in self.heard):
            data, fds, _, _ = socket.recv_fds(self.socket, 4096, 16)
            for fd in fds:
                os.close(fd)
            self.heard.append(data.decode())


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    manager = Manager(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "400000")
    yield manager
    manager.socket.close()


def test_a_service_manager_is_told_what_happens(manager: Manager, chat: Running) -> None:
    """Descriptors to keep, ready, signs of life, reloading, the end; each in its place."""
    for expected in ("FDNAME=threadchat-queue", "FDNAME=threadchat-ledger", "READY=1", "WATCHDOG=1", "STATUS=0 people"):
        manager.hears(expected)
    manager.heard.clear()
    chat.process.send_signal(signal.SIGHUP)
    manager.hears("RELOADING=1")
    manager.hears("READY=1")
    assert chat.stop() == 0
    manager.hears("STOPPING=1")


def test_the_status_tells_how_many_log_lines_are_missing(manager: Manager, tmp_path: Path) -> None:
    """The log itself cannot."""
    command = [sys.executable, "-m", "threadchat", "serve", "--listen", f"unix://{tmp_path / 'chat'}"]
    with open("/dev/full", "wb") as full, subprocess.Popen(command, stderr=full) as process:
        try:
            manager.hears("log lines lost: ")
        finally:
            process.terminate()
    assert process.returncode == 0


@pytest.mark.parametrize("final", [False, True])
def test_where_connections_are_kept_they_are_kept_also_while_workers_do_not_start(
    manager: Manager, stubborn: Stubborn, monkeypatch: pytest.MonkeyPatch, final: bool
) -> None:
    """For the next attempt, unless a first signal has said that there is none."""
    monkeypatch.setenv("FDSTORE", "16")
    daemon = stubborn()
    manager.hears("READY=1")
    alice = daemon.guest()
    manager.heard.clear()
    daemon.process.send_signal(signal.SIGUSR2)
    stubborn.hangs()
    manager.hears("READY=1")
    if final:
        daemon.process.send_signal(signal.SIGUSR1)
    assert daemon.stop() == 0
    assert (b"Goodbye" in alice.rest()) == final


@pytest.mark.parametrize("final", [False, True])
def test_where_connections_are_kept_they_are_left_to_the_next_process(
    manager: Manager, serve: Serve, monkeypatch: pytest.MonkeyPatch, final: bool
) -> None:
    """Unless a first signal has said that there is none."""
    monkeypatch.setenv("FDSTORE", "16")
    chat = serve()
    manager.hears("READY=1")
    alice = chat.guest()
    if final:
        chat.process.send_signal(signal.SIGUSR1)
    assert chat.stop() == 0
    assert len(chat.events("handed_over")) == (not final)
    assert (b"Goodbye" in alice.rest()) == final


def with_a_worker(serve: Serve, directory: Path, max_jobs: int) -> Running:
    """Serve with one good worker."""
    path = directory / "workers.toml"
    command = json.dumps([sys.executable, "-m", "tests.workers.bad.good"])
    server = 'echo = {addr = "tcp://127.0.0.1:0"}'
    pool = f"[tcp.pool]\nnum_workers = 1\nmax_jobs = {max_jobs}\n"
    path.write_text(f"server.command = {command}\n[tcp.servers]\n{server}\n{pool}")
    return serve("--config", str(path))


def test_workers_may_use_all_processors_also_those_of_the_next_program(serve: Serve, tmp_path: Path) -> None:
    """The daemon itself stays on one, and its next program is told of the others."""
    daemon = with_a_worker(serve, tmp_path, max_jobs=0)
    everywhere = os.sched_getaffinity(0), os.sched_getscheduler(0)
    for count in (1, 2):
        daemon.logs("listening", count)
        pid = daemon.logs("worker_started", count)[-1]["pid"]
        assert (os.sched_getaffinity(pid), os.sched_getscheduler(pid)) == everywhere
        assert len(os.sched_getaffinity(daemon.process.pid)) == 1
        if count == 1:
            daemon.process.send_signal(signal.SIGUSR2)


def test_a_worker_started_late_hears_signals(serve: Serve, tmp_path: Path) -> None:
    """Threads of the daemon's leave them to the main one; what such a thread starts must not inherit that."""
    daemon = with_a_worker(serve, tmp_path, max_jobs=1)
    daemon.connect()
    pid = daemon.logs("worker_started", 2)[-1]["pid"]  # the first one has had its one event
    assert "SigBlk:\t0000000000000000" in Path(f"/proc/{pid}/status").read_text()
