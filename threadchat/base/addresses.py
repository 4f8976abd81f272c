"""
Addresses as they are written in a configuration: ``tcp://HOST:PORT``, ``tcp://[::1]:PORT``, ``unix:///PATH``.

Only their form is known here; net/listen.py binds them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address

_TCP = re.compile(r"tcp://(?:\[(?P<v6>[0-9a-fA-F:.%\w]+)\]|(?P<host>[^:\[\]/]*)):(?P<port>\d{1,5})")
_UNIX = re.compile(r"unix://(?P<path>/?.+)")


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """A TCP port. An empty host means every address of this machine."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"tcp://[{self.host}]:{self.port}" if ":" in self.host else f"tcp://{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """A unix socket in the file system."""

    path: str

    def __str__(self) -> str:
        return f"unix://{self.path}"


Address = TcpAddress | UnixAddress


def parse_address(text: str) -> Address:
    """Return what *text* means. Raises ValueError with a sentence that shows how to write it."""
    if found := _TCP.fullmatch(text):
        port = int(found["port"])
        if port > 65535:
            raise ValueError(f"{text!r}: a port is at most 65535")
        return TcpAddress(found["v6"] or found["host"], port)
    if found := _UNIX.fullmatch(text):
        return UnixAddress(found["path"])
    raise ValueError(f"{text!r} is no address: write tcp://127.0.0.1:7007, tcp://[::1]:7007 or unix:///run/name.sock")


def clash(one: Address, other: Address) -> bool:
    """Return whether nobody can listen on both at once, because they are the same or one includes the other."""
    if isinstance(one, UnixAddress) or isinstance(other, UnixAddress):
        return one == other
    if one.port != other.port or one.port == 0:
        return False
    try:
        first, second = (ip_address(address.host or "0.0.0.0") for address in (one, other))  # noqa: S104
    except ValueError:  # a name: nobody knows what it stands for before it is looked up
        return one.host == other.host
    either = first.is_unspecified or second.is_unspecified
    return first.version == second.version and (first == second or either)
