"""A worker built on the SDK, driven by hand: the frames it sends, and what it does not let happen."""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import DEADLINE
from tests.workers import raw
from tests.workers.serving import environment
from threadchat.wire.goridge import Frame, FrameDecoder

UUID = "6b1f5b1e-0000-4000-8000-000000000000"
STOP = raw.frame(b'{"stop":true}', flags=9)

#: The worker of the recorded session, in Python.
SESSION = """
from threadchat.sdk import TcpEvent, TcpWorker
worker = TcpWorker()
for request in worker:
    match request.event, request.body:
        case TcpEvent.CONNECTED, _: worker.respond("220 hi" + chr(13) + chr(10))
        case TcpEvent.DATA, body if body.startswith(b"read"): worker.read()
        case TcpEvent.DATA, body if body.startswith(b"bye"): worker.respond(body, close=True)
        case TcpEvent.DATA, body if body.startswith(b"close"): worker.close()
        case TcpEvent.DATA, body if body.startswith(b"err"): worker.error("boom")
        case TcpEvent.DATA, body if body.startswith(b"stop"): worker.stop()
"""


class Host:
    """What is at the other end of a worker's relay: RoadRunner, or threadchat."""

    def __init__(self, script: Path, **env: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env={**os.environ, **environment(), **env},
        )
        self._decoder = FrameDecoder()
        self._frames: list[Frame] = []

    def send(self, data: bytes) -> None:
        assert self.process.stdin
        self.process.stdin.write(data)

    def receive(self) -> Frame:
        """Return the next frame."""
        assert self.process.stdout
        while not self._frames:
            assert select.select([self.process.stdout], [], [], DEADLINE)[0], "it does not answer"
            data = self.process.stdout.read(65536)
            assert data, self.process.stderr and self.process.stderr.read().decode()
            self._frames += self._decoder.feed(data)
        return self._frames.pop(0)

    def tell(self, event: str, body: bytes = b"") -> Frame:
        """Send an event; return its answer."""
        context = json.dumps(
            {"remote_addr": "127.0.0.1:54321", "server": "server1", "uuid": UUID, "event": event},
            separators=(",", ":"),
        ).encode()
        self.send(raw.frame(context + body, (len(context),)))
        return self.receive()

    def shake_hands(self) -> dict[str, Any]:
        self.send(raw.frame(b'{"pid":30971}', flags=9))
        frame = self.receive()
        assert frame.flags == 1
        answer: dict[str, Any] = json.loads(frame.payload)
        return answer

    def stop(self) -> tuple[int, str]:
        """Tell it to stop; return its exit status and what it wrote to standard error. It says nothing more."""
        self.send(STOP)
        rest, errors = self.process.communicate()
        assert (rest, self._frames) == (b"", [])
        return self.process.returncode, errors.decode()


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Callable[..., Host]]:
    """Start a worker with this source, and shake hands with it."""
    hosts: list[Host] = []

    def start(source: str, **env: str) -> Host:
        script = tmp_path / f"worker{len(hosts)}.py"
        script.write_text(source)
        hosts.append(Host(script, **env))
        assert hosts[-1].shake_hands()["pid"] == hosts[-1].process.pid
        return hosts[-1]

    yield start
    for started in hosts:
        with started.process:
            started.process.kill()


def test_the_recorded_session(host: Callable[..., Host]) -> None:
    """Every answer is the PHP worker's, to the byte; CLOSE is answered by itself."""
    worker = host(SESSION)

    assert worker.tell("CONNECTED") == Frame(b"WRITE220 hi\r\n", (5,))
    assert worker.tell("DATA", b"read\r\n") == Frame(b"CONTINUE", (8,))
    assert worker.tell("DATA", b"bye\r\n") == Frame(b"WRITECLOSEbye\r\n", (10,))
    assert worker.tell("DATA", b"close\r\n") == Frame(b"CLOSE", (5,))
    assert worker.tell("DATA", b"err\r\n") == Frame(b"boom", flags=0x40)
    assert worker.tell("CLOSE") == Frame(b"CONTINUE", (8,))
    assert worker.tell("DATA", b"stop\r\n") == Frame(b'{"stop":true}', (13,))
    assert worker.stop() == (0, "")


def test_a_request_has_all_that_is_known(host: Callable[..., Host]) -> None:
    """Event, address, server, uuid, body."""
    worker = host(
        "from threadchat.sdk import *\nworker = TcpWorker()\n"
        "for request in worker: worker.respond(repr(tuple(request)))\n"
    )
    answer = worker.tell("DATA", b"\x00\xff\r\n").payload.decode()

    assert answer == f"WRITE(<TcpEvent.DATA: 'DATA'>, '127.0.0.1:54321', 'server1', '{UUID}', b'\\x00\\xff\\r\\n')"


def test_print_cannot_break_a_frame(host: Callable[..., Host]) -> None:
    """Not before the worker is made, not after, not by a child process; it is a line in the log. Input is empty."""
    worker = host(
        "print('early')\nimport subprocess, sys\nfrom threadchat.sdk import TcpWorker\nworker = TcpWorker()\n"
        "for request in worker:\n"
        "    print('late')\n"
        "    subprocess.run(['echo', 'child'])\n"
        "    worker.respond(sys.stdin.read() or 'nothing')\n",
        PYTHONUNBUFFERED="",  # or what is printed before the worker is made could not be held back
    )
    assert worker.tell("DATA", b"x").payload == b"WRITEnothing"
    assert worker.tell("DATA", b"x").payload == b"WRITEnothing"
    assert worker.stop() == (0, "early\nlate\nchild\nlate\nchild\n")


def test_answers_are_numbered_for_a_daemon_that_asks(host: Callable[..., Host]) -> None:
    """Whatever they say; RoadRunner does not ask."""
    worker = host(SESSION)
    worker.shake_hands()
    assert worker.tell("DATA", b"read") == Frame(b"CONTINUE", (8,))
    worker.send(raw.frame(b'{"number":true}', flags=9))
    assert worker.tell("DATA", b"read") == Frame(b"CONTINUE", (8, 2))
    assert worker.tell("DATA", b"bye") == Frame(b"WRITECLOSEbye", (10, 3))
    assert worker.tell("DATA", b"close") == Frame(b"CLOSE", (5, 4))
    assert worker.tell("DATA", b"err") == Frame(b"boom", (5,), 64)
    assert worker.tell("DATA", b"stop") == Frame(b'{"stop":true}', (13, 6))
    assert worker.tell("DATA", b"read") == Frame(b'{"stop":true}', (13, 7))


def test_a_second_answer_is_an_error_in_the_worker(host: Callable[..., Host]) -> None:
    """Nothing of it is sent."""
    worker = host(
        "from threadchat.sdk import TcpWorker\nworker = TcpWorker()\n"
        "def handle(request):\n    worker.read()\n    worker.respond('leak')\n"
        "worker.serve(handle)\n"
    )
    assert worker.tell("CONNECTED").payload == b"CONTINUE"
    assert worker.tell("DATA", b"x").payload == b"CONTINUE"
    status, errors = worker.stop()
    assert status == 0
    assert errors.count("\nRuntimeError: this event has been answered") == 2


def test_a_missing_answer_is_an_error_of_that_event(host: Callable[..., Host]) -> None:
    """It is noticed when the next event is asked for, and logged; the worker goes on."""
    worker = host("from threadchat.sdk import TcpWorker\nfor request in TcpWorker(): pass\n")
    for _ in range(2):
        assert worker.tell("DATA", b"x") == Frame(b"the worker gave no answer", flags=0x40)
    assert f"DATA of connection {UUID} was not answered" in worker.stop()[1]


def test_an_exception_is_an_error_of_that_event(host: Callable[..., Host]) -> None:
    """With its message for the daemon and its traceback in the log; the worker goes on."""
    worker = host(
        "from threadchat.sdk import TcpWorker\nworker = TcpWorker()\n"
        "def handle(request):\n    worker.respond(str(1 / len(request.body)))\n"
        "worker.serve(handle)\n"
    )
    assert worker.tell("DATA") == Frame(b"ZeroDivisionError: division by zero", flags=0x40)
    assert worker.tell("DATA", b"xx") == Frame(b"WRITE0.5", (5,))
    status, errors = worker.stop()
    assert status == 0
    assert "Traceback" in errors


def test_what_is_no_answer_is_an_error_of_that_event(host: Callable[..., Host]) -> None:
    """It is not taken for the one answer that the event has: nothing of it was sent."""
    worker = host(
        "from threadchat.sdk import TcpWorker\nworker = TcpWorker()\n"
        "def handle(request):\n    worker.respond(request.body and len(request.body))\n"
        "worker.serve(handle)\n"
    )
    assert worker.tell("DATA", b"x").flags == 0x40
    assert worker.tell("DATA") == Frame(b"WRITE", (5,))
    assert worker.stop()[0] == 0


def test_the_question_who_it_is_is_answered_at_any_time(host: Callable[..., Host]) -> None:
    """That is how threadchat keeps PHP workers in step."""
    worker = host(SESSION)
    for _ in range(2):
        worker.tell("CONNECTED")
        assert worker.shake_hands()["pid"] == worker.process.pid


def test_frames_may_come_in_any_pieces(host: Callable[..., Host]) -> None:
    """Byte by byte, and several at once."""
    worker = host(SESSION)
    context = json.dumps({"remote_addr": "a", "server": "b", "uuid": "c", "event": "DATA", "more": 1}).encode()
    event = raw.frame(context + b"bye", (len(context),))
    for byte in event:
        worker.send(bytes([byte]))
    worker.send(event * 2)
    assert [worker.receive().payload for _ in range(3)] == [b"WRITECLOSEbye"] * 3


def test_one_that_wants_to_be_replaced_takes_no_more_events(host: Callable[..., Host]) -> None:
    """What comes between its wish and the stop command is handed back."""
    worker = host(
        "from threadchat.sdk import TcpWorker\nworker = TcpWorker()\n"
        "for request in worker:\n    worker.read()\n    worker.stop()\n"
    )
    assert worker.tell("CONNECTED").payload == b"CONTINUE"
    assert worker.tell("DATA", b"x") == Frame(b'{"stop":true}', (13,))
    assert worker.stop()[0] == 0


def test_the_end_of_the_relay_is_the_end(host: Callable[..., Host]) -> None:
    """A daemon that has died takes its workers with it."""
    worker = host(SESSION)
    assert worker.process.stdin
    worker.process.stdin.close()
    assert worker.process.wait() == 0


def test_a_daemon_without_rpc_is_told_of(host: Callable[..., Host]) -> None:
    """In a sentence."""
    worker = host(
        "from threadchat.sdk import TcpWorker\nworker = TcpWorker()\n"
        "worker.serve(lambda request: worker.respond(str(worker.rpc)))\n",
        RR_RPC="",
    )
    assert b"RR_RPC is not set" in worker.tell("CONNECTED").payload


@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_a_relay_can_be_a_socket(kind: str, tmp_path: Path) -> None:
    """The worker connects to it; standard output is standard error then, too."""
    script = tmp_path / "worker.py"
    script.write_text("from threadchat.sdk import TcpWorker\nfor request in TcpWorker():\n    print('hello')\n")
    if kind == "unix":
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(tmp_path / "relay"))
        listener.listen()
        address = f"unix://{tmp_path}/relay"
    else:
        listener = socket.create_server(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
    process = subprocess.Popen(
        [sys.executable, str(script)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, **environment(), "RR_RELAY": address},
    )
    with listener, listener.accept()[0] as relay:
        relay.sendall(raw.frame(b'{"pid":1}', flags=9))
        assert FrameDecoder().feed(relay.recv(1000))[0].flags == 1
        context = b'{"remote_addr":"a","server":"b","uuid":"c","event":"CLOSE"}'
        relay.sendall(raw.frame(context, (len(context),)) + STOP)
        assert FrameDecoder().feed(relay.recv(1000)) == [Frame(b"CONTINUE", (8,))]
        assert process.communicate()[1] == b"hello\n"
        assert process.returncode == 0


def test_it_connects_no_earlier_than_it_can_answer(tmp_path: Path) -> None:
    """RoadRunner's listener waits for the answer to its handshake, and gives up for good if the worker dies before."""
    script = tmp_path / "worker.py"
    script.write_text("from threadchat.sdk import TcpWorker\nTcpWorker()\nraise SystemExit('not ready yet')\n")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "relay"))
        listener.listen()
        worker = subprocess.run(
            [sys.executable, str(script)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={**os.environ, **environment(), "RR_RELAY": f"unix://{tmp_path}/relay"},
            check=False,
        )
        assert worker.stderr == b"not ready yet\n"
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_an_event_of_a_newer_daemon_costs_nothing(host: Callable[..., Host]) -> None:
    """It has no name here, and gets an answer like any other."""
    worker = host(SESSION + "        case _: worker.read()\n")
    assert worker.tell("PAUSED").payload == b"CONTINUE"
    assert worker.tell("DATA", b"bye").payload == b"WRITECLOSEbye"


def test_a_lost_rpc_connection_is_replaced(host: Callable[..., Host], tmp_path: Path) -> None:
    """The call that found out fails; the next one does not."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "rpc"))
        listener.listen()
        worker = host(
            "from threadchat.sdk import TcpWorker\nworker = TcpWorker()\n"
            "worker.serve(lambda request: worker.respond(str(worker.rpc.call('tcp.Close', ''))))\n",
            RR_RPC=f"unix://{tmp_path}/rpc",
        )
        context = b'{"remote_addr":"a","server":"b","uuid":"c","event":"DATA"}'
        for expected in (b"ConnectionError", b"WRITETrue"):
            worker.send(raw.frame(context, (len(context),)))
            with listener.accept()[0] as daemon:
                call = FrameDecoder().feed(daemon.recv(1000))[0]
                if expected == b"WRITETrue":
                    daemon.sendall(raw.frame(call.payload[: call.options[1]] + b"true", call.options, flags=8))
                else:
                    daemon.shutdown(socket.SHUT_RDWR)
                assert expected in worker.receive().payload


def test_the_greeter_answers_all_that_roadrunner_brings_at_once(host: Callable[..., Host]) -> None:
    """RoadRunner looks for the delimiter at the end of what it has read only."""
    greeter = host((Path(__file__).parent.parent / "examples" / "smtp_greeter.py").read_text())
    answer = greeter.tell("DATA", b"NOOP\r\nRSET\r\nQUIT\r\n")
    assert answer.payload == b"WRITECLOSE250 OK\r\n250 OK\r\n221 mail.example closes the connection\r\n"
