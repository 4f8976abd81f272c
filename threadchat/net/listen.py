"""Listening sockets: bound here, or named as what they are when they come from elsewhere."""

from __future__ import annotations

import contextlib
import os
import socket
import stat

from threadchat.base.addresses import Address, TcpAddress, UnixAddress
from threadchat.base.errors import ListenError

#: Connections that may wait in the kernel: as many as Linux will keep (net.core.somaxconn is 4096).
BACKLOG = 4096


def listen(address: Address) -> socket.socket:
    """Return a socket that listens on *address*. Raises ListenError, which says what to do."""
    try:
        sock = _listen_tcp(address) if isinstance(address, TcpAddress) else _listen_unix(address)
    except OSError as problem:
        raise ListenError(f"cannot listen on {address}: {_explain(problem)}") from None
    prepare(sock)
    return sock


def inherit(fd: int) -> socket.socket:
    """Return the listening socket that was inherited as *fd*."""
    sock = socket.socket(fileno=fd)
    prepare(sock)
    return sock


def prepare(sock: socket.socket) -> None:
    """Set what a listener needs; what its connections need too they inherit from it (Linux), for nothing each."""
    sock.setblocking(False)
    if sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


def local_address(sock: socket.socket) -> Address:
    """Return the address that *sock* listens on."""
    if sock.family == socket.AF_UNIX:
        return UnixAddress(sock.getsockname())
    host, port, *_ = sock.getsockname()
    return TcpAddress(host, port)


def describe_peer(peer_address: object) -> tuple[str, str]:
    """Return the address to count by and the text to show, of what accept() says about a peer."""
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


def _listen_tcp(address: TcpAddress) -> socket.socket:
    found = socket.getaddrinfo(address.host or None, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, where = found[0]
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6 and address.host:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(where)
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def _listen_unix(address: UnixAddress) -> socket.socket:
    _remove_stale(address.path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind(address.path)
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def _remove_stale(path: str) -> None:
    """Remove the socket at *path* if nobody listens on it any more: its server was killed."""
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            try:
                probe.connect(path)
            except ConnectionRefusedError:
                os.unlink(path)


def _explain(problem: OSError) -> str:
    match problem:
        case PermissionError():
            return "not permitted (ports below 1024 need CAP_NET_BIND_SERVICE, paths a writable directory)"
        case OSError(errno=98):
            return "another program listens there already (ss -ltnp shows which)"
        case _:
            return (problem.strerror or str(problem)).lower()
