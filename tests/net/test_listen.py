"""Listening sockets: bound as they are written, or refused with a sentence that helps."""

from __future__ import annotations

import errno
import grp
import os
import socket
import stat
from pathlib import Path

import pytest

from threadchat.base.addresses import TcpAddress, UnixAddress
from threadchat.base.errors import ListenError
from threadchat.config.sections import Limits
from threadchat.net.listen import (
    closed,
    inherit,
    listen,
    local_address,
    notice_vanished,
    stop_listening,
    try_to_listen,
)


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
    assert "another program listens there already (ss -ltnp shows which)" in str(refusal.value)
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


def keepalive(sock: socket.socket) -> tuple[int, int, int, int]:
    """Whether the peer of *sock* is asked whether it is there, after how long, and when it is given up."""
    return (
        sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
        sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
        sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
        sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT),
    )


def accepted(listener: socket.socket) -> socket.socket:
    """Return what *listener* makes of a client, who has gone already."""
    talk_to(listener)
    listener.setblocking(True)
    return listener.accept()[0]


class TestVanishedPeers:
    """What has been set at the listener is true for all whom it accepts."""

    @pytest.mark.parametrize(
        ("limits", "expected"),
        [
            ({}, (1, 60, 15, 120_000)),
            ({"keepalive_time": "1s", "keepalive_timeout": "2500ms", "send_timeout": "1s"}, (1, 1, 1, 2500)),
            # A reader who lags behind is there, and is not to be cut by this.
            ({"send_timeout": "10m"}, (1, 60, 15, 600_000)),
        ],
    )
    def test_its_connections_inherit_the_time_outs(
        self, limits: dict[str, str], expected: tuple[int, int, int, int]
    ) -> None:
        """At no cost for each."""
        listener = listen(TcpAddress("127.0.0.1", 0))
        notice_vanished(listener, Limits.model_validate(limits))
        with accepted(listener) as connection:
            assert keepalive(connection) == expected
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        stop_listening(listener)

    def test_an_inherited_listener_does_not_keep_what_it_came_with(self) -> None:
        """And one that has been reconfigured does not keep what it had; off is off."""
        first = listen(TcpAddress("127.0.0.1", 0))
        notice_vanished(first, Limits())
        second = inherit(first.detach())
        notice_vanished(second, Limits.model_validate({"keepalive_time": "0s", "keepalive_timeout": "0s"}))
        with accepted(second) as connection:
            asked, *_, given_up = keepalive(connection)
            assert (asked, given_up) == (0, 0)
        stop_listening(second)

    def test_a_connection_of_a_predecessor_gets_them_too(self) -> None:
        """It may have been accepted by a version that set none."""
        listener = listen(TcpAddress("127.0.0.1", 0))
        with accepted(listener) as connection:
            assert keepalive(connection)[0] == 0
            notice_vanished(connection, Limits())
            assert keepalive(connection) == (1, 60, 15, 120_000)
        stop_listening(listener)

    def test_a_unix_socket_has_none(self) -> None:
        """Its peer's machine is this one."""
        ours, peer = socket.socketpair()
        with ours, peer:
            notice_vanished(ours, Limits())


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
        with pytest.raises(ListenError, match=r"another program listens there already \(ss -lxp shows which\)"):
            listen(address)
        talk_to(other)
        stop_listening(other)

    def test_a_file_that_is_no_socket_is_left_alone(self, address: UnixAddress) -> None:
        """It may be somebody's work, and is called what it is."""
        Path(address.path).write_text("precious")
        with pytest.raises(ListenError, match=r"chat\.sock is a file, not a socket: choose another path, or remove it"):
            listen(address)
        assert Path(address.path).read_text() == "precious"
        with pytest.raises(ListenError, match="is a directory, not a socket"):
            listen(UnixAddress(str(Path(address.path).parent)))

    @pytest.mark.parametrize("mode", [0o600, 0o660, 0o666])
    def test_who_may_connect_is_as_asked_for(self, address: UnixAddress, mode: int) -> None:
        """Whatever the umask is; and that is as before."""
        before = os.umask(0o027)
        try:
            listener = listen(address, mode)
            assert os.umask(0o027) == 0o027
        finally:
            os.umask(before)
        assert stat.S_IMODE(Path(address.path).stat().st_mode) == mode
        stop_listening(listener)

    def test_nobody_else_may_connect_where_nothing_is_said(self, address: UnixAddress) -> None:
        listener = listen(address)
        assert stat.S_IMODE(Path(address.path).stat().st_mode) == 0o600
        stop_listening(listener)

    def test_it_belongs_to_the_group_asked_for(self, address: UnixAddress) -> None:
        """By number, or by name; root may give it to any, others to their own."""
        number = 54321 if os.geteuid() == 0 else os.getegid()
        for group in (str(number), grp.getgrgid(os.getegid()).gr_name):
            listener = listen(address, 0o660, group)
            status = Path(address.path).stat()
            assert status.st_gid == (number if group.isdecimal() else os.getegid())
            assert stat.S_IMODE(status.st_mode) == 0o660
            stop_listening(listener)

    def test_a_group_that_is_not_there_is_told(self, address: UnixAddress) -> None:
        """Nothing is left behind."""
        with pytest.raises(ListenError, match="there is no group Nobodys on this machine"):
            listen(address, group="Nobodys")
        assert not Path(address.path).exists()

    def test_a_group_that_one_is_not_in_is_told(self, address: UnixAddress, monkeypatch: pytest.MonkeyPatch) -> None:
        """As an ordinary user sees it: nothing is left behind either."""

        def refuse(*arguments: object, **options: object) -> None:
            raise PermissionError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr(os, "chown", refuse)
        with pytest.raises(ListenError, match="only root and members of the group 12345 can give a socket to it"):
            listen(address, group="12345")
        assert not Path(address.path).exists()

    def test_a_file_that_is_gone_already_is_no_problem(self, address: UnixAddress) -> None:
        """Somebody cleaned up."""
        listener = listen(address)
        Path(address.path).unlink()
        stop_listening(listener)


class TestTrying:
    """What a dry run does: an address is tried, and let go."""

    def test_what_can_be_had_is_not_taken(self, tmp_path: Path) -> None:
        """A socket that a killed server left stays where it is."""
        listener = listen(TcpAddress("127.0.0.1", 0))
        address = local_address(listener)
        stop_listening(listener)
        path = UnixAddress(str(tmp_path / "chat.sock"))
        listen(path).close()
        for free in (address, path, UnixAddress(str(tmp_path / "other"))):
            try_to_listen(free)
            try_to_listen(free)
        assert [entry.name for entry in tmp_path.iterdir()] == ["chat.sock"]

    def test_what_cannot_be_had_is_told_as_by_listening(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        taken = [listen(TcpAddress("127.0.0.1", 0)), listen(UnixAddress(str(tmp_path / "taken")))]
        for address in (
            *map(local_address, taken),
            UnixAddress(str(tmp_path / "file")),
            UnixAddress("/nonexistent/chat.sock"),
            TcpAddress("192.0.2.1", 7007),
        ):
            with pytest.raises(ListenError) as listened:
                listen(address)
            with pytest.raises(ListenError) as tried:
                try_to_listen(address)
            assert str(tried.value) == str(listened.value)
        for listener in taken:
            stop_listening(listener)

    def test_a_group_is_looked_up(self, tmp_path: Path) -> None:
        with pytest.raises(ListenError, match="there is no group nobodys"):
            try_to_listen(UnixAddress(str(tmp_path / "chat.sock")), "nobodys")

    def test_a_directory_that_may_not_be_written_is_told(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """As an ordinary user sees it: root may write everywhere."""
        monkeypatch.setattr(os, "access", lambda path, mode: False)
        with pytest.raises(ListenError, match="not permitted"):
            try_to_listen(UnixAddress(str(tmp_path / "chat.sock")))


def test_what_stands_for_no_listener_holds_nothing() -> None:
    assert closed().fileno() == -1
