"""A member: what is told to one alone."""

from __future__ import annotations

from tests.fakes import ListSink
from threadchat.chat.formats import plain
from threadchat.chat.member import Member


def test_lines_are_told_as_one_piece() -> None:
    """Several lines are one send, so that nothing comes between them."""
    sink = ListSink()
    Member("alice", sink).tell("one", "two")
    assert sink.pieces == [b"one\ntwo\n"]


def test_a_telnet_member_is_told_in_crlf() -> None:
    """Lines end as the member's terminal wants them."""
    sink = ListSink()
    member = Member("alice", sink)
    member.format = member.format.but(crlf=True)
    member.tell("one", "two")
    assert sink.data == b"one\r\ntwo\r\n"


def test_a_notice_is_the_servers_own() -> None:
    """Every line of it begins with the server's mark."""
    sink = ListSink()
    Member("alice", sink).notice("grüße", "again")
    assert sink.data == "* grüße\n* again\n".encode()


def test_a_newcomer_is_nobody_special() -> None:
    """Not named, plain line ends."""
    member = Member("guest-1", ListSink())
    assert not member.named
    assert member.format is plain()
