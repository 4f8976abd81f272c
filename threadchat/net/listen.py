"""
Listening sockets, bound here or inherited, and the addresses of sockets.

A unix socket is a file: its mode and its group say who may connect. Both are set before it listens, so there is no
moment at which somebody else could connect. To set the mode, the process's umask is changed for a moment. Bind before
other threads make files.
"""

from __future__ import annotations

import contextlib
import errno
import grp
import math
import os
import socket
import stat
from collections.abc import Iterator

from threadchat.base.addresses import Address, TcpAddress, UnixAddress
from threadchat.base.errors import ListenError
from threadchat.config.sections import Limits

#: Connections that may wait in the kernel: as many as Linux will keep (net.core.somaxconn is 4096).
BACKLOG = 4096

#: How many times a silent peer's machine is asked before it counts as vanished; and the seconds between two questions,
#: where no time-out sets them.
_KEEPALIVE_PROBES = 4
_KEEPALIVE_INTERVAL_SECONDS = 15


#: The mode of a unix socket where no other is given: only its owner may connect.
PRIVATE = 0o600


def listen(address: Address, mode: int = PRIVATE, group: str = "") -> socket.socket:
    """
    Return a socket that listens on *address*. Raises ListenError, which says what to do.

    *mode* and *group* are for the file of a unix socket. Without a *group*, it has the group of the process.
    """
    with _explained(address):
        sock = _bind_tcp(address) if isinstance(address, TcpAddress) else _bind_unix(address, mode, group)
        try:
            sock.listen(BACKLOG)
        except OSError:
            stop_listening(sock)
            raise
    prepare(sock)
    return sock


def try_to_listen(address: Address, group: str = "") -> None:
    """Raise ListenError if :func:`listen` would. Nothing is left behind, and nobody can connect meanwhile."""
    with _explained(address):
        if isinstance(address, TcpAddress):
            _bind_tcp(address).close()
            return
        _is_dead(address.path)
        _group_id(group)
        directory = os.path.dirname(address.path) or "."
        os.stat(directory)
        if not os.access(directory, os.W_OK | os.X_OK):
            raise PermissionError


def closed() -> socket.socket:
    """Return a closed socket. It stands for a listener where there is none."""
    sock = socket.socket(socket.AF_UNIX)
    sock.close()
    return sock


def inherit(fd: int) -> socket.socket:
    """Return the listening socket that was inherited as *fd*."""
    sock = socket.socket(fileno=fd)
    prepare(sock)
    return sock


def prepare(sock: socket.socket) -> None:
    """Make a listener non-blocking, and set TCP_NODELAY. Its connections inherit that (Linux), at no cost for each."""
    sock.setblocking(False)
    if sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def notice_vanished(sock: socket.socket, limits: Limits) -> None:
    """
    Have the kernel notice when the machine of a peer has vanished.

    *sock* is one connection, or a listener: then this holds for all connections that it accepts.
    After ``keepalive_time`` of silence the kernel asks the machine, a few times, whether it is there. After
    ``keepalive_timeout`` without an answer to that, or to what was sent, reads of the socket fail with ETIMEDOUT.
    tcp(7)
    """
    if sock.family == socket.AF_UNIX:
        return
    idle, timeout = math.ceil(limits.keepalive_time), limits.keepalive_timeout
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, bool(idle))
    if idle:
        interval = math.ceil((timeout - idle) / _KEEPALIVE_PROBES) if timeout else _KEEPALIVE_INTERVAL_SECONDS
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, idle)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, max(interval, 1))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _KEEPALIVE_PROBES)
    if timeout:  # it would cut slow consumers too: their own time-out, with its own reason, comes first
        timeout = max(timeout, limits.send_timeout)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, math.ceil(timeout * 1000))


def local_address(sock: socket.socket) -> Address:
    """Return the address that *sock* listens on."""
    if sock.family == socket.AF_UNIX:
        return UnixAddress(sock.getsockname())
    host, port, *_ = sock.getsockname()
    return TcpAddress(host, port)


def describe_peer(peer_address: object) -> tuple[str, str]:
    """Return two things for *peer_address*, from accept(): the address to count by, and the text to show."""
    if not isinstance(peer_address, tuple):
        return "unix", "unix"
    host, port, *_ = peer_address
    return host, f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def stop_listening(sock: socket.socket) -> None:
    """Close a listening socket, and remove its file if it has one."""
    address = local_address(sock)
    sock.close()
    if isinstance(address, UnixAddress):
        with contextlib.suppress(OSError):
            os.unlink(address.path)


def _bind_tcp(address: TcpAddress) -> socket.socket:
    found = socket.getaddrinfo(address.host or None, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, where = found[0]
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6 and address.host:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(where)
    except OSError:
        sock.close()
        raise
    return sock


def _bind_unix(address: UnixAddress, mode: int, group: str) -> socket.socket:
    group_id = _group_id(group)
    if _is_dead(address.path):
        os.unlink(address.path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o777 & ~mode)
    try:
        sock.bind(address.path)
    except OSError:
        sock.close()
        raise
    finally:
        os.umask(before)
    if group_id is not None:
        try:
            os.chown(address.path, -1, group_id, follow_symlinks=False)
        except OSError:
            stop_listening(sock)
            raise OSError(f"only root and members of the group {group} can give a socket to it") from None
    return sock


def _group_id(group: str) -> int | None:
    """Return the number of *group*, which is a name or a number; None if *group* is empty."""
    if not group:
        return None
    if group.isdecimal():
        return int(group)
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise OSError(f"there is no group {group} on this machine") from None


def _is_dead(path: str) -> bool:
    """
    Return whether there is a socket at *path* that nobody listens on any more, because its server was killed.

    Raises OSError for anything else that is there already.
    """
    try:
        kind = os.stat(path).st_mode
    except FileNotFoundError:
        return False
    if not stat.S_ISSOCK(kind):
        what = "a directory" if stat.S_ISDIR(kind) else "a file"
        raise OSError(f"{path} is {what}, not a socket: choose another path, or remove it")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return True
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


@contextlib.contextmanager
def _explained(address: Address) -> Iterator[None]:
    """Turn an OSError into a ListenError, with the reason in words that help."""
    try:
        yield
    except OSError as problem:
        raise ListenError(f"cannot listen on {address}: {_explain(problem, address)}") from None


def _explain(problem: OSError, address: Address) -> str:
    is_tcp = isinstance(address, TcpAddress)
    match problem:
        case PermissionError() if is_tcp:
            return "not permitted (ports below 1024 need CAP_NET_BIND_SERVICE)"
        case PermissionError():
            return "not permitted (the directory has to be writable, and no other user's socket may be there)"
        case OSError(errno=errno.EADDRINUSE):
            return f"another program listens there already ({'ss -ltnp' if is_tcp else 'ss -lxp'} shows which)"
        case OSError(strerror=str(reason)):
            return reason.lower()
        case _:
            return str(problem)
