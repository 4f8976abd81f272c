"""Frames over pipes and sockets, of any size, with and without a time limit."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator

import pytest

from threadchat.base.errors import ExecTimeout, FrameError, WorkerCrashed
from threadchat.wire.goridge import Frame, encode
from threadchat.workers.relay import PipeRelay, Relay, SocketRelay

#: More than any pipe or socket buffer takes at once.
LARGE = encode(bytes(3_000_000), (0,))

Ends = tuple[Relay, Relay]


def pipes() -> Ends:
    here_read, there_write = os.pipe()
    there_read, here_write = os.pipe()
    return PipeRelay(here_read, here_write), PipeRelay(there_read, there_write)


def recallable_pipes() -> Ends:
    here, there = pipes()
    assert isinstance(here, PipeRelay)
    assert here.make_recallable()
    return here, there


def sockets() -> Ends:
    here, there = socket.socketpair()
    return SocketRelay(here), SocketRelay(there)


def tcp_sockets() -> Ends:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        here = socket.create_connection(listener.getsockname())
        there, _ = listener.accept()
    for end in (here, there):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 100_000)  # or the kernel would take megabytes
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 100_000)
    return SocketRelay(here), SocketRelay(there)


@pytest.fixture(params=[pipes, recallable_pipes, sockets, tcp_sockets])
def ends(request: pytest.FixtureRequest) -> Iterator[Ends]:
    """The daemon's end and the worker's end of one relay."""
    here, there = request.param()
    yield here, there
    here.close()
    there.close()


@pytest.mark.parametrize("timeout", [None, 30.0])
def test_a_frame_larger_than_any_buffer_arrives(ends: Ends, timeout: float | None) -> None:
    """With a time limit or without."""
    here, there = ends
    sender = threading.Thread(target=here.send, args=(LARGE, timeout), name="sender")
    sender.start()
    frame = there.receive(timeout)
    sender.join()

    assert frame == Frame(bytes(3_000_000), (0,))


def test_over_tcp_what_comes_is_acknowledged_at_once() -> None:
    """Each time anew: or the other side's kernel holds its second frame back for 40 ms (Nagle)."""
    here, there = tcp_sockets()
    for _ in range(3):
        there.send(encode(b"one"))
        assert here.receive() == Frame(b"one")
        assert isinstance(here, SocketRelay)
        assert here._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK)
        here.send(encode(b"answer"))  # after an answer the kernel thinks that it can wait
        assert there.receive() == Frame(b"answer")
    here.close()
    there.close()


def test_frames_come_one_at_a_time(ends: Ends) -> None:
    """What has been read beyond the first is surplus until it is asked for."""
    here, there = ends
    here.send(encode(b"one") + encode(b"two") + encode(b"three")[:5])

    assert there.receive() == Frame(b"one")
    assert there.surplus
    assert there.next_frame() == Frame(b"two")
    assert there.next_frame() is None
    assert there.surplus  # half a frame


def test_waiting_has_an_end(ends: Ends) -> None:
    """A read that gets nothing, or half a frame, and a write that nobody reads, end with their time."""
    here, there = ends
    here.send(encode(b"half")[:10])
    with pytest.raises(ExecTimeout):
        there.receive(0.01)
    with pytest.raises(ExecTimeout):
        here.send(LARGE, 0.01)


def test_the_end_of_the_other_side_is_seen() -> None:
    """By whoever reads and by whoever writes."""
    for here, there in (pipes(), sockets()):
        there.close()
        assert here.readable()
        with pytest.raises(WorkerCrashed):
            here.send(b"x")
        with pytest.raises(WorkerCrashed):
            here.receive()
        assert here.stray() == "it had died"
        here.close()


def test_a_frame_is_all_in_the_pipe_or_waits() -> None:
    """What does not fit now is not cut."""
    here, there = recallable_pipes()
    frame, count = encode(bytes(4000)), 0
    while here.send_now(frame):
        count += 1
    assert count >= 2
    for _ in range(count):
        assert there.receive() == Frame(bytes(4000))
    assert not there.readable()
    here.close()
    there.close()


def test_frames_can_be_taken_back_until_they_are_read() -> None:
    """One at a time, the first one first."""
    here, there = recallable_pipes()
    frames = [encode(b"%d" % number) for number in range(3)]
    for frame in frames:
        here.send(frame)
    assert here.recall() == frames[0]
    assert there.receive() == Frame(b"1")
    assert not there.surplus
    assert here.recall() == frames[2]
    assert here.recall() == b""
    here.close()
    there.close()


def test_the_end_of_the_other_side_is_seen_where_frames_can_be_taken_back() -> None:
    """Though we hold the pipe open for reading ourselves: a frame that does not fit is not waited for."""
    here, there = recallable_pipes()
    there.close()
    with pytest.raises(WorkerCrashed):
        here.send(LARGE)
    here.close()


@pytest.mark.parametrize("missing", ["os.open", "fcntl.fcntl"])
def test_not_every_system_lets_frames_be_taken_back(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """There they are sent as ever."""
    here, there = pipes()
    assert isinstance(here, PipeRelay)

    def fail(*_: object) -> int:
        raise OSError

    with monkeypatch.context() as patch:
        patch.setattr(missing, fail)
        assert not here.make_recallable()
    here.send(encode(b"one") + encode(b"two"))
    assert here.recall() == b""
    assert there.receive() == Frame(b"one")
    here.close()
    there.close()


def test_what_nobody_asked_for_is_quoted(ends: Ends) -> None:
    """For the log."""
    here, there = ends
    assert not there.readable()
    here.send(b"Notice: undefined variable")

    assert there.readable()
    assert "Notice: undefined variable" in there.stray()


def test_what_is_no_frame_is_refused(ends: Ends) -> None:
    """Text, for instance."""
    here, there = ends
    here.send(b"Notice: undefined variable")
    with pytest.raises(FrameError, match="undefined variable"):
        there.receive()
