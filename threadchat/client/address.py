"""
Where the server is, as its user writes it on the command line.

``HOST PORT``, and the forms that servers print and people copy: ``HOST:PORT``, ``[::1]:7007``, ``tcp://HOST:PORT``,
``unix:///PATH``. Not here: the connection (client).
"""

from __future__ import annotations

import re

from threadchat.base.addresses import Address, TcpAddress, UnixAddress

DEFAULT_PORT = 7007

_TCP = "tcp://"
_UNIX = "unix://"
_BARE_IPV6 = re.compile(r"[^\[\]]*:[^\[\]]*:[^\[\]]*")  # its port can only be a word of its own
_HOST_PORT = re.compile(r"(?:\[(?P<v6>[^\[\]]+)\]|(?P<host>[^:\[\]]*))(?::(?P<port>\d{1,5}))?")


def server_address(text: str, port: int | None = None) -> Address:
    """Return the address that *text* and a separate *port* mean. Raises ValueError with a sentence for the user."""
    if text.startswith(_UNIX):
        return UnixAddress(text.removeprefix(_UNIX))
    bare = text.removeprefix(_TCP).rstrip("/")
    if _BARE_IPV6.fullmatch(bare):
        return TcpAddress(bare, port or DEFAULT_PORT)
    found = _HOST_PORT.fullmatch(bare)
    if found is None:
        raise ValueError(f"{text!r} is no address: write HOST, HOST:PORT, tcp://HOST:PORT or unix:///path")
    written = int(found["port"]) if found["port"] else None
    if written is not None and not 0 < written <= 65535:
        raise ValueError(f"{text!r}: a port is 1 to 65535")
    if written and port and written != port:
        raise ValueError(f"{text!r} names a port already: leave out {port}")
    # A listener with an empty host uses every address of its machine. One of them is localhost.
    return TcpAddress(found["v6"] or found["host"] or "localhost", written or port or DEFAULT_PORT)
