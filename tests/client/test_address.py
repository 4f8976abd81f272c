from __future__ import annotations

import pytest

from threadchat.base.addresses import Address, TcpAddress, UnixAddress
from threadchat.client.address import server_address


@pytest.mark.parametrize(
    ("text", "port", "address"),
    [
        ("localhost", None, TcpAddress("localhost", 7007)),
        ("chat.example.org", 1337, TcpAddress("chat.example.org", 1337)),
        ("127.0.0.1:7008", None, TcpAddress("127.0.0.1", 7008)),
        ("localhost:7008", 7008, TcpAddress("localhost", 7008)),
        ("tcp://chat.example.org:7008", None, TcpAddress("chat.example.org", 7008)),
        ("tcp://chat.example.org:7008/", None, TcpAddress("chat.example.org", 7008)),
        ("tcp://chat.example.org", 7008, TcpAddress("chat.example.org", 7008)),
        ("::1", None, TcpAddress("::1", 7007)),
        ("::1", 7008, TcpAddress("::1", 7008)),
        ("fe80::1%eth0", None, TcpAddress("fe80::1%eth0", 7007)),
        ("[::1]", 7008, TcpAddress("::1", 7008)),
        ("[::1]:7008", None, TcpAddress("::1", 7008)),
        ("tcp://[::1]:7008", None, TcpAddress("::1", 7008)),
        ("tcp://:7008", None, TcpAddress("localhost", 7008)),
        ("unix:///run/chat.sock", None, UnixAddress("/run/chat.sock")),
        ("unix:///run/chat.sock", 7008, UnixAddress("/run/chat.sock")),
        ("unix://chat.sock", None, UnixAddress("chat.sock")),
    ],
)
def test_every_way_to_write_an_address_is_understood(text: str, port: int | None, address: Address) -> None:
    assert server_address(text, port) == address


@pytest.mark.parametrize(
    "address", [TcpAddress("127.0.0.1", 7007), TcpAddress("::1", 7007), UnixAddress("/run/chat.sock")]
)
def test_what_the_server_prints_can_be_copied(address: Address) -> None:
    assert server_address(str(address)) == address


@pytest.mark.parametrize(
    ("text", "port", "complaint"),
    [
        ("localhost:0", None, "a port is 1 to 65535"),
        ("localhost:70000", None, "a port is 1 to 65535"),
        ("localhost:seven", None, "is no address: write HOST, HOST:PORT"),
        ("[::1", None, "is no address"),
        ("[::1]7007", None, "is no address"),
        ("localhost:7007", 7008, "names a port already: leave out 7008"),
    ],
)
def test_what_is_no_address_is_refused_with_how_to_write_one(text: str, port: int | None, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        server_address(text, port)
