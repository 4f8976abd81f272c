"""The echo and broadcast servers: any bytes, many clients."""

from __future__ import annotations

import random
import threading
from pathlib import Path

from tests.conftest import Serve
from tests.talker import Talker


def test_sixteen_megabytes_come_back_identical(serve: Serve) -> None:
    """Byte-exact and at the client's pace, while it sends and receives at once."""
    echo = serve("--app", "echo")
    data = random.Random(862).randbytes(16 * 1024 * 1024)
    client = echo.connect()

    def send() -> None:
        client.sends(data)
        client.finishes()

    sender = threading.Thread(target=send, name="sender")
    sender.start()
    received = client.rest()
    sender.join()
    assert received == data


def test_echo_is_immediate(serve: Serve) -> None:
    """Not line by line: a single byte comes back before the next is sent."""
    client = serve("--app", "echo").connect()
    for byte in b"abc\x00\xff":
        client.sends(bytes([byte]))
        assert client.receives(1) == bytes([byte])


def test_an_echo_client_that_does_not_read_hurts_nobody(serve: Serve) -> None:
    """It is not read either; the others are answered as before."""
    echo = serve("--app", "echo")
    stuck = echo.connect(receive_buffer=4096)
    stuck.socket.setblocking(False)
    try:
        while True:
            stuck.socket.send(bytes(65536))
    except BlockingIOError:
        pass
    other = echo.connect()
    other.sends(b"hello")
    assert other.receives(5) == b"hello"


def test_broadcast_sends_every_byte_to_everybody_in_one_order(serve: Serve) -> None:
    """Ten senders at once, binary pieces (which a read cannot cut): each whole, the same bytes for all receivers."""
    server = serve("--app", "broadcast")
    talkers: list[Talker] = []
    for _ in range(10):  # a newcomer is there once it has heard itself, and so has everybody who came before
        talkers.append(server.connect())
        talkers[-1].sends(b"?")
        for talker in talkers:
            assert talker.receives(1) == b"?"
    pieces = 50

    def send(number: int, talker: Talker) -> None:
        for piece in range(pieces):
            talker.sends(bytes([number, piece]) * 512)

    threads = [threading.Thread(target=send, args=item, name="sender") for item in enumerate(talkers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    received = [talker.receives(len(talkers) * pieces * 1024) for talker in talkers]
    assert len(set(received)) == 1
    whole = [received[0][start : start + 1024] for start in range(0, len(received[0]), 1024)]
    assert all(piece == piece[:2] * 512 for piece in whole)
    for number in range(len(talkers)):
        assert [piece[1] for piece in whole if piece[0] == number] == list(range(pieces))


def test_broadcast_can_leave_the_sender_out(serve: Serve, tmp_path: Path) -> None:
    """``echo_sender = false``: the next bytes a sender gets are somebody else's."""
    config = tmp_path / "broadcast.toml"
    config.write_text('[tcp.servers.all]\naddr = "tcp://127.0.0.1:0"\napp = "broadcast"\necho_sender = false\n')
    server = serve("--config", str(config))
    alice, bob = server.connect(), server.connect()
    server.logs("connection_opened", 2)
    alice.sends(b"from alice")
    assert bob.receives(10) == b"from alice"
    bob.sends(b"from bob")
    assert alice.receives(8) == b"from bob"
