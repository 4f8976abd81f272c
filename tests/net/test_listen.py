"""Listening sockets: bound as they are written, or refused with a sentence that helps."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

import pytest

from threadchat.base.addresses import TcpAddress, UnixAddress
from threadchat.base.errors import ListenError
from threadchat.net.listen import listen, local_address, stop_listening


def talk_to(listener: socket.socket) -> None:
    """Check that a client can connect to *listener*."""
    with socket.socket(listener.family) as client:
        client.connect(listener.getsockname())


def test_port_0_picks_one() -> None:
    """And the socket says which."""
    listener = listen(TcpAddress("127.0.0.1", 0))
    address = local_address(listener)
    assert isinstance(address, TcpAddress)
    assert address.host == "127.0.0.1"
    assert address.port > 0
    talk_to(listener)
    stop_listening(listener)


def test_ipv6_is_its_own() -> None:
    """A listener on ::1 is named as it is written."""
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    try:
        listener = listen(TcpAddress("::1", 0))
    except ListenError as problem:
        pytest.skip(str(problem))
    assert str(local_address(listener)).startswith("tcp://[::1]:")
    talk_to(listener)
    stop_listening(listener)


def test_a_port_in_use_is_told_in_one_line() -> None:
    """With the address, the reason and where to look."""
    listener = listen(TcpAddress("127.0.0.1", 0))
    address = local_address(listener)
    with pytest.raises(ListenError) as refusal:
        listen(address)
    assert str(address) in str(refusal.value)
    assert "another program listens there already" in str(refusal.value)
    assert "\n" not in str(refusal.value)
    stop_listening(listener)


def test_a_port_is_free_at_once_after_its_server_closed_connections() -> None:
    """A restart need not wait for TIME_WAIT."""
    listener = listen(TcpAddress("127.0.0.1", 0))
    address = local_address(listener)
    with socket.create_connection(listener.getsockname()) as client:
        listener.setblocking(True)
        served, _ = listener.accept()
        served.close()  # the side that closes first waits
        assert client.recv(1) == b""
    stop_listening(listener)
    stop_listening(listen(address))


@pytest.mark.parametrize(
    ("address", "why"),
    [
        (TcpAddress("no-such-host.invalid", 7007), "tcp://no-such-host.invalid:7007"),
        (TcpAddress("192.0.2.1", 7007), "tcp://192.0.2.1:7007: cannot assign requested address"),
        (UnixAddress("/nonexistent/chat.sock"), "no such file or directory"),
        (UnixAddress("/tmp/" + "x" * 200), "too long"),  # noqa: S108
    ],
)
def test_what_cannot_be_listened_on(address: TcpAddress | UnixAddress, why: str) -> None:
    """One sentence, which names the address."""
    with pytest.raises(ListenError) as refusal:
        listen(address)
    assert str(refusal.value).startswith(f"cannot listen on {address}")
    assert why in str(refusal.value)


class TestUnixSockets:
    """Files that come and go with their listener."""

    @pytest.fixture
    def address(self, tmp_path: Path) -> UnixAddress:
        """A place for one."""
        return UnixAddress(str(tmp_path / "chat.sock"))

    def test_the_file_is_there_while_it_is_listened_on(self, address: UnixAddress) -> None:
        """And is removed by the one who made it."""
        listener = listen(address)
        assert local_address(listener) == address
        assert stat.S_ISSOCK(Path(address.path).stat().st_mode)
        talk_to(listener)
        stop_listening(listener)
        assert not Path(address.path).exists()

    def test_what_a_killed_server_left_is_replaced(self, address: UnixAddress) -> None:
        """Nobody listens there any more."""
        listen(address).close()
        assert Path(address.path).exists()
        listener = listen(address)
        talk_to(listener)
        stop_listening(listener)

    def test_another_servers_socket_is_left_alone(self, address: UnixAddress) -> None:
        """It goes on serving."""
        other = listen(address)
        with pytest.raises(ListenError, match="another program listens there already"):
            listen(address)
        talk_to(other)
        stop_listening(other)

    def test_a_file_that_is_no_socket_is_left_alone(self, address: UnixAddress) -> None:
        """It may be somebody's work."""
        Path(address.path).write_text("precious")
        with pytest.raises(ListenError):
            listen(address)
        assert Path(address.path).read_text() == "precious"

    def test_a_file_that_is_gone_already_is_no_problem(self, address: UnixAddress) -> None:
        """Somebody cleaned up."""
        listener = listen(address)
        Path(address.path).unlink()
        stop_listening(listener)
