"""Addresses as they are written in a configuration."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from threadchat.base.addresses import TcpAddress, UnixAddress, clash, parse_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("tcp://127.0.0.1:7007", TcpAddress("127.0.0.1", 7007)),
        ("tcp://localhost:0", TcpAddress("localhost", 0)),
        ("tcp://:7007", TcpAddress("", 7007)),
        ("tcp://[::1]:7007", TcpAddress("::1", 7007)),
        ("tcp://[::]:65535", TcpAddress("::", 65535)),
        ("tcp://[fe80::1%eth0]:1", TcpAddress("fe80::1%eth0", 1)),
        ("tcp://chat.example.org:7007", TcpAddress("chat.example.org", 7007)),
        ("unix:///run/chat.sock", UnixAddress("/run/chat.sock")),
        ("unix://chat.sock", UnixAddress("chat.sock")),
    ],
)
def test_an_address_means_what_it_says(text: str, address: TcpAddress | UnixAddress) -> None:
    """And is written back as it was read."""
    assert parse_address(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7007",
        "127.0.0.1:7007",
        "tcp://127.0.0.1",
        "tcp://127.0.0.1:",
        "tcp://127.0.0.1:port",
        "tcp://127.0.0.1:123456",
        "tcp://::1:7007",
        "tcp://[]:7007",
        "tcp://127.0.0.1:7007/",
        "tcp://127.0.0.1:-1",
        "tcp://127.0.0.1:7007\n",
        "unix://",
        "udp://127.0.0.1:7007",
        "http://127.0.0.1:7007",
        " tcp://127.0.0.1:7007",
    ],
)
def test_anything_else_is_shown_how_to_write_it(text: str) -> None:
    """With examples."""
    with pytest.raises(ValueError, match=r"is no address: write tcp://127\.0\.0\.1:7007, .*unix:///"):
        parse_address(text)


def test_a_port_has_an_end() -> None:
    """65535."""
    with pytest.raises(ValueError, match="a port is at most 65535"):
        parse_address("tcp://127.0.0.1:65536")


@given(st.one_of(st.ip_addresses().map(str), st.from_regex(r"[a-z][a-z0-9.-]*", fullmatch=True)), st.integers(0, 65535))
def test_every_tcp_address_survives_the_round_trip(host: str, port: int) -> None:
    """Written and read again."""
    address = TcpAddress(host, port)
    assert parse_address(str(address)) == address


@pytest.mark.parametrize(
    ("one", "other", "clashes"),
    [
        ("tcp://127.0.0.1:7", "tcp://127.0.0.1:7", True),
        ("tcp://127.0.0.1:7", "tcp://127.0.0.1:8", False),
        ("tcp://127.0.0.1:7", "tcp://127.0.0.2:7", False),
        ("tcp://127.0.0.1:0", "tcp://127.0.0.1:0", False),
        ("tcp://:7", "tcp://127.0.0.1:7", True),
        ("tcp://0.0.0.0:7", "tcp://:7", True),
        ("tcp://0.0.0.0:7", "tcp://[::]:7", False),
        ("tcp://[::]:7", "tcp://[::1]:7", True),
        ("tcp://[::1]:7", "tcp://[0:0::1]:7", True),
        ("tcp://chat.example:7", "tcp://chat.example:7", True),
        ("tcp://chat.example:7", "tcp://127.0.0.1:7", False),
        ("unix:///a", "unix:///a", True),
        ("unix:///a", "unix:///b", False),
        ("unix:///a", "tcp://127.0.0.1:7", False),
    ],
)
def test_only_one_can_listen_where_addresses_are_the_same_or_include_each_other(
    one: str, other: str, clashes: bool
) -> None:
    assert clash(parse_address(one), parse_address(other)) is clashes
    assert clash(parse_address(other), parse_address(one)) is clashes
