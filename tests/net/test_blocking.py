"""Ending a connection so that the last words arrive, and time-outs that Python knows nothing of."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from threadchat.net.blocking import linger, set_timeout


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    with peer, ours:
        yield ours, peer


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
