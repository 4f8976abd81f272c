"""Workers that connect back: recognised by their pid, strangers sent away."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from tests.workers import raw
from tests.workers.serving import event, pooling
from threadchat.base.errors import ListenError, WorkerStartError
from threadchat.workers.payload import Verdict
from threadchat.workers.relay_listener import RelayListener


def connect(address: str) -> socket.socket:
    """Return a connection that has been asked who it is."""
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(address.removeprefix("unix://"))
    assert f'{{"pid":{os.getpid()}}}'.encode() in sock.recv(1000)
    return sock


def test_a_relay_goes_to_whoever_waits_for_its_pid(tmp_path: Path) -> None:
    """Two workers connect in the other order than they were started."""
    address = f"unix://{tmp_path}/relay"
    listener = RelayListener(address)

    def wait(pid: int) -> None:
        relay, _ = listener.wait(pid, 30, lambda: True)
        relay.send(b"for %d" % pid)
        relay.close()

    threads = [threading.Thread(target=wait, args=(pid,), name=f"wait-{pid}") for pid in (11, 12)]
    for thread in threads:
        thread.start()
    for pid in (12, 11):
        with connect(address) as worker:
            worker.sendall(raw.frame(b'{"pid":%d}' % pid, flags=1))
            assert worker.recv(100) == b"for %d" % pid
    for thread in threads:
        thread.join()
    listener.close()

    assert not Path(tmp_path, "relay").exists()


def test_strangers_are_sent_away(tmp_path: Path) -> None:
    """Whoever talks nonsense, or has a pid that nobody waits for, is disconnected; a silent one costs nothing."""
    address = f"unix://{tmp_path}/relay"
    listener = RelayListener(address)
    silent = connect(address)
    for said in (b"GET / HTTP/1.0\r\n\r\n", raw.frame(b'{"pid":99}', flags=1), raw.frame(b"") * 2):
        with connect(address) as stranger:
            stranger.sendall(said)
            assert stranger.recv(100) == b""
    listener.close()

    assert silent.recv(100) == b""
    silent.close()


def test_waiting_ends_when_the_process_does_or_the_time_is_over(tmp_path: Path) -> None:
    """Each with its own sentence."""
    listener = RelayListener(f"unix://{tmp_path}/relay")
    with pytest.raises(WorkerStartError, match="exited before it connected"):
        listener.wait(11, 30, lambda: False)
    with pytest.raises(WorkerStartError, match="did not connect"):
        listener.wait(11, 0, lambda: True)
    listener.close()


def test_an_address_that_is_taken_is_an_error(tmp_path: Path) -> None:
    """The message names it."""
    listener = RelayListener(f"unix://{tmp_path}/relay")
    with pytest.raises(ListenError, match="relay"):
        RelayListener(f"unix://{tmp_path}/relay")
    listener.close()


@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_a_worker_on_a_socket_works_as_one_on_pipes(kind: str, tmp_path: Path) -> None:
    """The SDK connects to whatever RR_RELAY names."""
    if kind == "unix":
        relay = f"unix://{tmp_path}/relay"
    else:
        with socket.create_server(("127.0.0.1", 0)) as free:
            relay = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    with pooling("examples/smtp_greeter.py", relay=relay, num_workers=2) as (pool, _):
        for _ in range(4):
            reply = pool.exec(event(b"NOOP\r\n"))
            assert (reply.verdict, reply.body) == (Verdict.WRITE, b"250 OK\r\n")
