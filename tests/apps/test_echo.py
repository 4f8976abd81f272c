"""The echo app: every byte, at once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.apps.fakes import FakeConnection
from threadchat.apps.echo import EchoApp


@given(st.lists(st.binary(min_size=1)))
def test_every_byte_comes_back_as_it_was_read(reads: list[bytes]) -> None:
    """RFC 862: no line is waited for, nothing is changed."""
    connection = FakeConnection()
    app = EchoApp(connection())
    for data in reads:
        app.received(data)
    assert connection.pieces == reads


def test_a_peer_that_does_not_read_its_echo_is_not_read() -> None:
    """Each answer is waited for."""
    connection = FakeConnection()
    app = EchoApp(connection())
    app.received(b"hello")
    app.received(b"hello?")
    assert connection.waited == 2


def test_echo_has_no_patience_and_no_lines() -> None:
    """It deals in bytes."""
    app = EchoApp(FakeConnection()())
    assert app.patience is None
    assert app.lines_in is None
