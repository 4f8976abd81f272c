"""A peer whose machine vanishes, without a word: in a network namespace, whose link goes down."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import debian, root
from tests.conftest import Serve
from tests.waiting import until

#: Connects, says who it is, shows what comes, and stays.
_CLIENT = """
import socket, sys
sock = socket.create_connection((sys.argv[1], int(sys.argv[2])))
sock.sendall(b"/nick laptop\\n")
while data := sock.recv(65536):
    print(data.decode(), end="", flush=True)
"""


class Laptop:
    """Another machine: a network namespace with a link to this one."""

    def __init__(self) -> None:
        self.name = f"tc{os.getpid()}"
        self.here, self.there = "198.51.100.1", "198.51.100.2"  # RFC 5737
        self._link = f"{self.name}a"

    def opens(self) -> None:
        """Bring the link up."""
        peer = f"{self.name}b"
        _ip("netns", "add", self.name)
        _ip("link", "add", self._link, "type", "veth", "peer", "name", peer, "netns", self.name)
        _ip("addr", "add", f"{self.here}/30", "dev", self._link)
        _ip("link", "set", self._link, "up")
        _ip("-n", self.name, "addr", "add", f"{self.there}/30", "dev", peer)
        _ip("-n", self.name, "link", "set", peer, "up")

    def falls_asleep(self) -> None:
        """Take its end of the link down: nothing arrives there any more, and nothing comes back."""
        _ip("-n", self.name, "link", "set", f"{self.name}b", "down")

    def is_gone(self) -> None:
        """Undo everything."""
        subprocess.run(["ip", "link", "del", self._link], check=False, capture_output=True)
        subprocess.run(["ip", "netns", "del", self.name], check=False, capture_output=True)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@pytest.fixture
def laptop() -> Iterator[Laptop]:
    """A machine that may vanish."""
    root.require("to make network namespaces")
    debian.require("ip")
    laptop = Laptop()
    try:
        laptop.opens()
    except subprocess.CalledProcessError as problem:
        laptop.is_gone()
        debian.unavailable(f"no network namespace can be made here: {problem.stderr.decode().strip()}")
    yield laptop
    laptop.is_gone()


@pytest.mark.parametrize("talk", [False, True], ids=["in silence", "while others talk"])
def test_who_vanishes_leaves(serve: Serve, tmp_path: Path, laptop: Laptop, talk: bool) -> None:
    """Whether or not something is on its way to them; the room is told, and the log says why."""
    config = tmp_path / "vanishing.toml"
    config.write_text(
        f"""
        [tcp.servers.lobby]
        addr = ["tcp://127.0.0.1:0", "tcp://{laptop.here}:0"]
        limits = {{ keepalive_time = "1s", keepalive_timeout = "3s", send_timeout = "1s" }}
        """
    )
    chat = serve("--config", str(config))
    alice = chat.person("alice")
    port = chat.addresses[1].rpartition(":")[2]
    client = ["ip", "netns", "exec", laptop.name, sys.executable, "-c", _CLIENT, laptop.here, port]
    with subprocess.Popen(client, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            assert "* You are now laptop\n" in iter(process.stdout.readline, "")
            alice.waits_for("* laptop joined")
            laptop.falls_asleep()
            if talk:
                alice.says("are you there?")
            alice.waits_for("* laptop left")
        finally:
            process.kill()
    (closed,) = chat.logs("connection_closed")
    assert closed["reason"] == "vanished"
    alice.says("/who")
    alice.waits_for("* 1 in lobby: alice")
    until(lambda: process.poll() is not None, "the laptop's program to end")


def test_who_stays_is_asked_and_not_told(serve: Serve, tmp_path: Path) -> None:
    """Somebody silent whose machine answers stays, however long: here, twice the time-out."""
    config = tmp_path / "staying.toml"
    config.write_text(
        """
        [tcp.servers.lobby]
        addr = "tcp://127.0.0.1:0"
        limits = { keepalive_time = "1s", keepalive_timeout = "2s", send_timeout = "1s" }
        """
    )
    chat = serve("--config", str(config))
    alice = chat.person("alice")
    before = _segments_in(alice.socket)
    until(lambda: _segments_in(alice.socket) >= before + 4, "alice's kernel to be asked, once a second")
    alice.says("/who")
    alice.sees("* 1 in lobby: alice")
    assert chat.events("connection_closed") == []


def _segments_in(sock: socket.socket) -> int:
    """How many segments *sock* has received: tcpi_segs_in of struct tcp_info, linux/tcp.h."""
    (count,) = struct.unpack_from("@I", sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 144), 140)
    return int(count)
