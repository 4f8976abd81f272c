"""A unix socket for this user alone."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

import pytest

from threadchat.base.errors import ListenError
from threadchat.workers.private_socket import listen_privately


def test_only_its_owner_can_open_it(tmp_path: Path) -> None:
    """Mode 0600, from the first moment on."""
    path = tmp_path / "s"
    with listen_privately(str(path)):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_dead_socket_is_replaced(tmp_path: Path) -> None:
    """Its daemon was killed and could not remove it."""
    path = str(tmp_path / "s")
    listen_privately(path).close()
    with listen_privately(path), socket.socket(socket.AF_UNIX) as client:
        client.connect(path)


def test_a_living_socket_and_a_file_are_left_alone(tmp_path: Path) -> None:
    """Whatever is there and is no dead socket is somebody's."""
    path, file = tmp_path / "s", tmp_path / "f"
    file.write_text("precious")
    with listen_privately(str(path)):
        for taken in (path, file):
            with pytest.raises(ListenError, match=str(taken)):
                listen_privately(str(taken))

    assert file.read_text() == "precious"
