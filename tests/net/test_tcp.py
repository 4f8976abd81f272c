"""What the kernel knows of TCP streams."""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests import root
from tests.waiting import DEADLINE
from threadchat.net.tcp import consumed_bytes, thaw


class Pair(NamedTuple):
    """Both ends of a connection."""

    ours: socket.socket
    peer: socket.socket


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


def test_of_what_is_no_tcp_connection_nobody_counts() -> None:
    ours, peer = socket.socketpair()
    with ours, peer:
        assert consumed_bytes(ours, 7) == 7
        thaw(ours)


def test_of_what_is_closed_nobody_counts() -> None:
    closed = socket.socket()
    closed.close()
    assert consumed_bytes(closed, 7) == 7
    thaw(closed)


def test_what_an_older_version_has_frozen_is_thawed(pair: Pair) -> None:
    """It dropped what came, so the peer says it again."""
    drop_all = struct.pack("@HBBI", 0x06, 0, 0, 0)
    program = ctypes.create_string_buffer(drop_all)
    try:
        pair.ours.setsockopt(socket.SOL_SOCKET, 26, struct.pack("@HP", 1, ctypes.addressof(program)))
    except PermissionError:
        root.require("to give a TCP socket a filter")
        raise
    pair.peer.sendall(b"hello")
    thaw(pair.ours)
    assert pair.ours.recv(100) == b"hello"
