"""Telnet, built from commands whose effect is known, and cut anywhere."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import pieces
from threadchat.wire.telnet import (
    AYT,
    DO,
    DONT,
    EC,
    EL,
    IAC,
    IP,
    MAX_SUBNEGOTIATION_BYTES,
    SB,
    SE,
    TIMING_MARK,
    WILL,
    WONT,
    TelnetFilter,
)

NOP, NAWS, ECHO, NEW_ENVIRON = 241, 31, 1, 39
CUTS = st.lists(st.integers(min_value=0, max_value=10_000), max_size=30)


def as_text(data: bytes) -> tuple[bytes, bytes]:
    """Plain bytes: on the wire, and for the application."""
    return data.replace(b"\xff", b"\xff\xff"), data


def as_command(data: bytes) -> tuple[bytes, bytes]:
    """A command: on the wire, and nothing for the application."""
    return data, b""


def as_key(command: int) -> tuple[bytes, bytes]:
    """A command of one byte: a key for the application, or nothing."""
    return bytes((IAC, command)), {EC: b"\b", EL: b"\x15", IP: b"\x03"}.get(command, b"")


#: What a telnet client may send, each with what the application should see of it.
TOKENS = st.one_of(
    st.binary(max_size=20).map(as_text),
    st.builds(
        lambda verb, option: as_command(bytes((IAC, verb, option))),
        st.sampled_from([DO, DONT, WILL, WONT]),
        st.integers(0, 255),
    ),
    st.integers(236, SB - 1).map(as_key),
    st.binary(max_size=100).map(lambda inside: as_command(subnegotiation(inside.replace(b"\xff", b"\xff\xff")))),
)


def subnegotiation(inside: bytes) -> bytes:
    """Return a whole sub-negotiation."""
    return bytes((IAC, SB)) + inside + bytes((IAC, SE))


def filtered(*data: bytes) -> tuple[bytes, bytes]:
    """Return what one filter makes of *data*: text and answers."""
    telnet = TelnetFilter()
    results = [telnet.feed(piece) for piece in data]
    return b"".join(text for text, _ in results), b"".join(answers for _, answers in results)


@given(st.lists(TOKENS, max_size=20), CUTS)
def test_only_the_text_is_left_however_the_bytes_are_cut(tokens: list[tuple[bytes, bytes]], cuts: list[int]) -> None:
    """Commands vanish, IAC IAC is one 0xFF, and the answers are the same for every cut."""
    wire = b"".join(sent for sent, _ in tokens)
    whole = filtered(wire)
    assert whole[0] == b"".join(text for _, text in tokens)
    assert filtered(*pieces(wire, cuts)) == whole
    assert filtered(*pieces(wire, list(range(len(wire))))) == whole


@given(st.lists(st.sampled_from([IAC, SB, SE, DO, WILL, TIMING_MARK, AYT, 65])).map(bytes), CUTS)
def test_broken_telnet_too_is_the_same_however_it_is_cut(data: bytes, cuts: list[int]) -> None:
    """Random command bytes in any order have one meaning."""
    assert filtered(*pieces(data, cuts)) == filtered(data)


@given(st.binary().map(lambda data: data.replace(b"\xff", b"")), CUTS)
def test_who_never_sent_iac_never_gets_an_answer(data: bytes, cuts: list[int]) -> None:
    """Anything without 0xFF passes untouched and is answered with nothing."""
    telnet = TelnetFilter()
    assert [telnet.feed(piece) for piece in pieces(data, cuts)] == [(piece, b"") for piece in pieces(data, cuts)]
    assert not telnet.active


@given(st.binary())
def test_answers_are_telnet_refusals_or_text(data: bytes) -> None:
    """Nothing of what the peer sent is echoed back: only refusals, timing marks and "I am here"."""
    _, answers = filtered(data)
    answers = answers.replace(b"* Yes, I am here.\r\n", b"").replace(bytes((IAC, WILL, TIMING_MARK)), b"")
    refusals = [answers[i : i + 3] for i in range(0, len(answers), 3)]
    assert all(len(r) == 3 and r[0] == IAC and r[1] in (WONT, DONT) for r in refusals)
    assert len(refusals) == len(set(refusals))


@pytest.mark.parametrize(("asked", "refusal"), [(DO, WONT), (WILL, DONT)])
def test_an_option_is_refused_once(asked: int, refusal: int) -> None:
    """The second time it is asked for, there is silence, so that no loop can begin."""
    telnet = TelnetFilter()
    assert telnet.feed(bytes((IAC, asked, ECHO)))[1] == bytes((IAC, refusal, ECHO))
    assert telnet.feed(bytes((IAC, asked, ECHO)))[1] == b""
    assert telnet.feed(bytes((IAC, asked, NAWS)))[1] == bytes((IAC, refusal, NAWS))


@pytest.mark.parametrize("verb", [DONT, WONT])
def test_a_refusal_is_not_answered(verb: int) -> None:
    """What the peer will not do needs no answer (RFC 854)."""
    assert filtered(bytes((IAC, verb, ECHO))) == (b"", b"")


def test_two_filters_do_not_refuse_each_other_for_ever() -> None:
    """Each other's answers, fed back and forth, die out at once (RFC 1143)."""
    one, other = TelnetFilter(), TelnetFilter()
    _, answers = one.feed(bytes((IAC, DO, ECHO, IAC, WILL, ECHO, IAC, DO, TIMING_MARK)))
    _, answers = other.feed(answers)
    _, answers = one.feed(answers)
    assert answers == b""


def test_every_timing_mark_is_answered() -> None:
    """telnet(1) holds its output back after Ctrl-C until it is (RFC 860)."""
    mark = bytes((IAC, DO, TIMING_MARK))
    assert filtered(mark, mark, mark) == (b"", bytes((IAC, WILL, TIMING_MARK)) * 3)


def test_are_you_there_is_answered_in_words() -> None:
    """AYT is a question of a person's."""
    assert filtered(bytes((IAC, AYT))) == (b"", b"* Yes, I am here.\r\n")


def test_ctrl_c_in_telnet_is_the_key() -> None:
    """What telnet(1) sends for Ctrl-C: IAC IP, IAC DO TIMING-MARK."""
    assert filtered(b"hel\xff\xf4\xff\xfd\x06lo\r\n")[0] == b"hel\x03lo\r\n"


def test_new_environ_is_skipped_unread() -> None:
    """Neither asked for, nor answered, nor taken as text (CVE-2026-24061)."""
    wire = bytes((IAC, WILL, NEW_ENVIRON)) + subnegotiation(bytes((NEW_ENVIRON, 0, 0)) + b"USER\x01-f root")
    assert filtered(b"a" + wire + b"b\n") == (b"ab\n", bytes((IAC, DONT, NEW_ENVIRON)))


@pytest.mark.parametrize("filling", [b"x", b"\xff\xff", b"\xff"])
def test_an_unterminated_subnegotiation_ends_by_itself(filling: bytes) -> None:
    """It cannot swallow the whole conversation."""
    text, _ = filtered(bytes((IAC, SB)) + filling * (2 * MAX_SUBNEGOTIATION_BYTES + 4), b"hello\n")
    assert text.endswith(b"hello\n")


def test_erase_commands_are_keys() -> None:
    """Backspace and Ctrl-U. Alone, they crashed another telnet server (CVE-2022-39028)."""
    assert filtered(b"\xff\xf7\xff\xf8ok\n") == (b"\b\x15ok\n", b"")


def test_a_peer_that_sent_a_command_is_active() -> None:
    """Lines to it end in CRLF from then on; text alone does not make a telnet client."""
    telnet = TelnetFilter()
    telnet.feed(b"hello\n")
    assert not telnet.active
    telnet.feed(bytes((IAC, NOP)))
    assert telnet.active


@given(st.lists(st.sampled_from([255, 253, 251, 250, 240, 1, 6, 97, 10]), max_size=40), st.integers(0, 100))
def test_another_filter_goes_on_where_one_was(data: list[int], cut: int) -> None:
    """In the middle of a command as well, and nothing is refused twice."""
    cut %= len(data) + 1
    one, other = TelnetFilter(), TelnetFilter()
    one.feed(bytes(data[:cut]))
    other.restore(json.loads(json.dumps(one.state())))
    assert other.active == one.active
    assert other.feed(bytes(data[cut:])) == one.feed(bytes(data[cut:]))


def test_the_rest_of_a_lost_command_is_text() -> None:
    """Its middle was read by a process that is no more."""
    telnet = TelnetFilter()
    telnet.feed(bytes((255, 250)))
    telnet.resynchronize()
    assert telnet.feed(b"hello") == (b"hello", b"")
