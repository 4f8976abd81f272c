"""Replacing the program by SIGUSR2, without systemd: no connection closes, no line is lost, whoever comes is served."""

from __future__ import annotations

import random
import signal
import socket
import threading
from pathlib import Path

from tests.conftest import Serve
from tests.crowd import Crowd
from tests.running import Running
from tests.talker import Talker
from tests.waiting import DEADLINE


def lively(serve: Serve, directory: Path) -> Running:
    """A chat room that lets its people say as much as they like, on TCP and on a unix socket."""
    config = directory / "lively.toml"
    config.write_text(
        f'[tcp.servers.lobby]\naddr = ["tcp://127.0.0.1:0", "unix://{directory}/chat.sock"]\n'
        "limits = { flood_lines_per_second = 0.0 }\n"
    )
    chat = serve("--config", str(config))
    chat.logs("listening", 2)
    return chat


def replace(daemon: Running, times: int) -> None:
    """Replace the program for the *times*-th time."""
    daemon.process.send_signal(signal.SIGUSR2)
    daemon.logs("connections_taken_over", times)


def test_nobody_in_a_crowd_notices(serve: Serve, tmp_path: Path) -> None:
    """Lines, and halves of lines, are said all the time; each is seen once by each, in one order."""
    chat = lively(serve, tmp_path)
    near = [chat.connect_to(f"{tmp_path}/chat.sock").socket for _ in range(30)]
    crowd = Crowd([chat.connect().socket for _ in range(70)] + near)
    try:
        crowd.talks(in_pieces=True)
        for replaced in range(1, 6):
            crowd.talks_for(150)
            replace(chat, replaced)
        crowd.falls_silent()
        assert crowd.lost() == 0
    finally:
        crowd.leaves()
    assert [event["count"] for event in chat.events("handed_over")] == [100] * 5
    assert not chat.events("connection_failed")
    assert not chat.events("handed_over_acting")


def test_whoever_comes_meanwhile_is_served(serve: Serve, tmp_path: Path) -> None:
    """In a storm of newcomers: they wait a moment, and none is told that there is no room."""
    chat = lively(serve, tmp_path)
    port = chat.port
    greetings: list[str] = []
    over = threading.Event()

    def come() -> None:
        while not over.is_set():
            with Talker.connect(("127.0.0.1", port)) as newcomer:
                greetings.append(newcomer.line())

    newcomers = [threading.Thread(target=come, name=f"newcomer-{number}") for number in range(4)]
    with chat.guest():
        for newcomer in newcomers:
            newcomer.start()
        try:
            for replaced in range(1, 4):
                replace(chat, replaced)
        finally:
            over.set()
            for newcomer in newcomers:
                newcomer.join()
    assert set(greetings) == {"Welcome to the chatroom!"}
    assert not chat.events("connection_refused")


def test_an_echo_that_nobody_reads_yet_comes_back_whole(serve: Serve) -> None:
    """What the old program has read and could not send is sent by the new one, and then the rest."""
    echo = serve("--app", "echo")
    data = random.Random(7).randbytes(20_000_000)
    with socket.create_connection(("127.0.0.1", echo.port), timeout=DEADLINE) as client:
        sending = threading.Thread(target=client.sendall, args=(data,), name="sending")
        sending.start()
        for replaced in range(1, 4):
            replace(echo, replaced)
        received = bytearray()
        while len(received) < len(data):
            got = client.recv(1 << 20)
            assert got, "the connection has ended"
            received += got
        sending.join()
        assert received == data
    assert [event["count"] for event in echo.events("handed_over")] == [1] * 3


def test_strangers_stay_strangers(serve: Serve, tmp_path: Path) -> None:
    """Whoever is announced when they come is when they leave, and nobody else is, though the program is replaced."""
    chat = lively(serve, tmp_path)
    alice = chat.person("alice")
    known = chat.guest()
    seen = [*alice.waits_for("* guest-2 joined"), "* guest-2 joined"]
    leaving, staying = chat.guest(), chat.guest()
    replace(chat, 1)
    leaving.leaves()
    seen += [*alice.waits_for("* guest-4 joined"), "* guest-4 joined"]
    known.leaves()
    staying.leaves()
    chat.logs("connection_closed", 3)
    chat.person("bob").says("and now?")
    seen += alice.waits_for("bob: and now?")
    for guest in (2, 4):
        both = [f"* guest-{guest} joined", f"* guest-{guest} left"]
        assert [line for line in seen if f"guest-{guest} " in line] == both
    # On a slow machine guest-3 may have stayed long enough.
    assert [line for line in seen if "guest-3 " in line] in ([], ["* guest-3 joined", "* guest-3 left"])
