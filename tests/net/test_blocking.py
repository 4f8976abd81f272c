"""Reading, ending a connection so that the last words arrive, and time-outs that Python knows nothing of."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from threadchat.net.blocking import linger, receive, set_timeout


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    with peer, ours:
        yield ours, peer


@pytest.mark.parametrize("size", [1, 447, 448, 449, 10_000])
def test_what_has_come_is_read_in_one_piece(pair: tuple[socket.socket, socket.socket], size: int) -> None:
    """However much more it is than a silent connection is prepared for."""
    ours, peer = pair
    peer.sendall(b"x" * size)
    assert receive(ours) == b"x" * size
    peer.close()
    assert receive(ours) == b""


def test_what_came_before_a_reset_is_read(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, peer = pair
    ours.sendall(b"not read by the peer, whose kernel resets for that")
    peer.sendall(b"x" * 448)
    peer.recv(1)
    peer.close()
    assert receive(ours) == b"x" * 448


def test_a_read_gives_up_after_its_time(pair: tuple[socket.socket, socket.socket]) -> None:
    """Without the socket becoming a non-blocking one for Python."""
    ours, _ = pair
    set_timeout(ours, socket.SO_RCVTIMEO, 0.01)
    with pytest.raises(BlockingIOError):
        ours.recv(1)
    assert ours.gettimeout() is None


def test_the_last_words_arrive_although_the_peers_were_not_read(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, peer = pair
    peer.sendall(b"not listened to" * 1000)
    ours.sendall(b"goodbye")
    thread = threading.Thread(target=linger, args=(ours,), name="lingering")
    thread.start()
    assert peer.makefile("rb").read() == b"goodbye"
    peer.close()
    thread.join()
    ours.close()


def test_a_peer_that_has_gone_is_not_waited_for(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, peer = pair
    peer.close()
    linger(ours)
    assert ours.recv(1) == b""
