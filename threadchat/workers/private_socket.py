"""A unix socket that only this user can open: for relays and for RPC."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

from threadchat.base.errors import ListenError


def listen_privately(path: str) -> socket.socket:
    """
    Return a socket that listens at *path*, mode 0600. A dead socket at that path is replaced.

    Raises ListenError. The umask sets the mode, so there is no moment at which somebody else could connect. The umask
    is for all threads: call this before other threads make files.
    """
    listener = socket.socket(socket.AF_UNIX)
    old = os.umask(0o177)
    try:
        if _dead(path):
            os.unlink(path)
        listener.bind(path)
        listener.listen()
    except OSError as problem:
        listener.close()
        raise ListenError(f"cannot listen on unix://{path}: {problem.strerror}") from None
    finally:
        os.umask(old)
    return listener


def _dead(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return Path(path).is_socket() and probe.connect_ex(path) == errno.ECONNREFUSED
