"""Frozen TCP connections, and what is known of their streams."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.waiting import DEADLINE, until
from threadchat.net.tcp import consumed_bytes, freeze, is_read_up, thaw


class Pair(NamedTuple):
    """Both ends of a connection."""

    ours: socket.socket
    peer: socket.socket

    def unacknowledged(self) -> bool:
        """Whether something that the peer has sent has not arrived: tcpi_unacked, linux/tcp.h."""
        info = self.peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 28)
        return any(info[24:28])


@pytest.fixture(params=["127.0.0.1", "::1"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    """A TCP connection, over each version of IP."""
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    with (
        socket.create_server((request.param, 0), family=family) as listener,
        socket.create_connection(listener.getsockname()[:2]) as peer,
        listener.accept()[0] as ours,
    ):
        for end in (ours, peer):
            end.settimeout(DEADLINE)
        yield Pair(ours, peer)


def test_what_is_said_to_a_frozen_connection_arrives_when_it_is_thawed(pair: Pair) -> None:
    """Whole and once, though it was dropped; what was there before can be read meanwhile."""
    pair.peer.sendall(b"before ")
    until(lambda: not pair.unacknowledged(), "that to arrive")
    assert freeze(pair.ours)
    pair.peer.sendall(b"meanwhile ")
    pair.peer.shutdown(socket.SHUT_WR)
    assert pair.ours.recv(100) == b"before "
    pair.ours.setblocking(False)
    with pytest.raises(BlockingIOError):
        pair.ours.recv(100)
    pair.ours.settimeout(DEADLINE)
    assert pair.unacknowledged()
    thaw(pair.ours)
    assert pair.ours.recv(100) == b"meanwhile "
    assert pair.ours.recv(100) == b""


def test_a_frozen_connection_can_be_sent_to(pair: Pair) -> None:
    """Far more than the kernel takes without hearing from the peer: its acknowledgements get through."""
    assert freeze(pair.ours)
    data = b"x" * 10_000_000
    received = sent = 0
    while received < len(data):
        sent += pair.ours.send(data[sent : sent + 100_000]) if sent < len(data) else 0
        received += len(pair.peer.recv(1_000_000))
    assert received == len(data)


def test_a_reset_is_dropped_too(pair: Pair) -> None:
    """It comes again, as soon as somebody says something."""
    assert freeze(pair.ours)
    pair.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    pair.peer.close()
    assert is_read_up(pair.ours, 0)
    thaw(pair.ours)
    pair.ours.send(b"hello?")
    with pytest.raises(ConnectionError):
        pair.ours.recv(100)


def test_it_is_read_up_when_all_has_been_read_and_more_may_come(pair: Pair) -> None:
    assert is_read_up(pair.ours, 0)
    pair.peer.sendall(b"hello")
    until(lambda: not pair.unacknowledged(), "that to arrive")
    assert not is_read_up(pair.ours, 0)  # unread
    assert pair.ours.recv(100) == b"hello"
    assert not is_read_up(pair.ours, 0)  # read by whoever has not counted it yet
    assert is_read_up(pair.ours, 5)
    pair.peer.shutdown(socket.SHUT_WR)
    until(lambda: not is_read_up(pair.ours, 5), "the end, which is still to be read")


@pytest.mark.parametrize("finish", [False, True])
def test_bytes_are_counted_also_when_the_peer_has_finished(pair: Pair, finish: bool) -> None:
    """The end of the stream counts as a byte in the kernel, and not here."""
    pair.peer.sendall(b"hello world")
    assert pair.ours.recv(5) == b"hello"
    if finish:
        pair.peer.shutdown(socket.SHUT_WR)
    assert consumed_bytes(pair.ours, 0) == 5
    assert pair.ours.recv(100) == b" world"
    assert consumed_bytes(pair.ours, 0) == 11


def test_what_is_no_tcp_connection_is_never_read_up() -> None:
    """Nor can anybody say how much has been read."""
    ours, peer = socket.socketpair()
    with ours, peer:
        freeze(ours)
        assert not is_read_up(ours, 0)
        assert consumed_bytes(ours, 7) == 7
        thaw(ours)


def test_what_is_closed_cannot_be_frozen() -> None:
    closed = socket.socket()
    closed.close()
    assert not freeze(closed)
    thaw(closed)
    assert not is_read_up(closed, 0)
