"""Stopping, and surviving what clients do when they stop."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.conftest import Serve
from tests.running import Running
from tests.waiting import until


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_says_goodbye_to_everyone_and_exits_0(chat: Running, number: int) -> None:
    """Nobody is cut off in the middle of a line."""
    alice, bob = chat.person("alice"), chat.person("bob")
    bob.says("last words")
    alice.sees("bob: last words")
    assert chat.stop(number) == 0
    for talker in (alice, bob):
        assert talker.rest().decode().splitlines()[-1] == "* The server is shutting down. Goodbye!"
    assert chat.logs("stopped")[0]["forced"] == 0


def stuck_chat(serve: Serve, directory: Path, stop_timeout: str) -> Running:
    """A chat room with a client who does not read, and for whom more is queued than ever fits into the kernel."""
    path = directory / "stop.toml"
    path.write_text(
        f'[daemon]\nstop_timeout = "{stop_timeout}"\n[tcp.servers.lobby]\naddr = "tcp://127.0.0.1:0"\n'
        "[tcp.servers.lobby.limits]\nflood_lines_per_second = 0.0\nsend_queue_bytes = 100000000\n"
    )
    chat = serve("--config", str(path))
    talker = chat.guest()
    chat.connect(receive_buffer=4096).waits_for("Welcome to the chatroom!")
    chat.logs("connection_opened", 2)
    for _ in range(2000):
        talker.says("x" * 4000)
    talker.says("/who")
    while not talker.line().startswith("* 2 in lobby: "):
        pass
    return chat


def test_stopping_waits_for_a_reader_no_longer_than_its_deadline(serve: Serve, tmp_path: Path) -> None:
    """A client that does not read is cut off at the deadline, and counted."""
    chat = stuck_chat(serve, tmp_path, stop_timeout="1s")
    assert chat.stop() == 0
    assert chat.logs("stopped")[0]["forced"] == 1


def test_a_second_signal_exits_at_once(serve: Serve, tmp_path: Path) -> None:
    """With the status a shell expects of a signal."""
    chat = stuck_chat(serve, tmp_path, stop_timeout="1h")
    chat.process.send_signal(signal.SIGTERM)
    chat.logs("stopping")
    assert chat.stop(signal.SIGTERM) == 128 + signal.SIGTERM


def test_an_address_in_use_is_one_clear_line(chat: Running) -> None:
    """And status 1."""
    result = subprocess.run(
        [sys.executable, "-m", "threadchat", "serve", "--listen", chat.addresses[0]],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"threadchat: cannot listen on {chat.addresses[0]}: another program listens there")


def test_clients_that_vanish_leave_nothing_behind(chat: Running) -> None:
    """A thousand clients, reset or closed at any moment, under talk: no thread, no descriptor stays."""
    alice, bob = chat.person("alice"), chat.person("bob")
    threads, descriptors = chat.threads(), chat.descriptors()
    stop = threading.Event()

    def talk() -> None:
        while not stop.is_set():
            alice.says("/me goes on")
            bob.waits_for("** alice goes on")

    talking = threading.Thread(target=talk, name="talking")
    talking.start()
    for number in range(1000):
        client = chat.connect()
        if number % 3:
            client.says("hello")
        if number % 2:
            client.vanishes()
        else:
            client.leaves()
        chat.talkers.remove(client)
    stop.set()
    talking.join()
    chat.logs("connection_closed", 1000)
    until(lambda: chat.threads() <= threads, "threads to be gone")
    until(lambda: chat.descriptors() <= descriptors, "descriptors to be gone")
    assert not chat.events("connection_failed")
