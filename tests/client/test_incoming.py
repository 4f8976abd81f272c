from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from threadchat.client.incoming import Incoming
from threadchat.wire.text import sanitise


def shown(*pieces: bytes) -> list[str]:
    """What is shown of *pieces*, the last of them flushed."""
    incoming = Incoming()
    return [line for piece in pieces for line in incoming.feed(piece)] + incoming.flush()


@pytest.mark.parametrize(
    ("sent", "lines"),
    [
        (b"Hi\n", ["Hi"]),
        (b"one\r\ntwo\r\n", ["one", "two"]),
        (b"user:4> Hi\x00\x00\x00\x00", ["user:4> Hi"]),
        (b"\n\n \n\t\n\r\n\x1b[0m\nHi\n\n\n", ["Hi"]),
        (b"  indented  \n", ["  indented"]),
        ("naïve ✓\n".encode(), ["naïve ✓"]),
        (b"caf\xe9\n", ["café"]),
    ],
)
def test_lines_come_out_as_a_person_reads_them(sent: bytes, lines: list[str]) -> None:
    assert shown(sent) == lines


@pytest.mark.parametrize(
    "sequence",
    [
        b"\x1b[31m",
        b"\x1b[38;5;196m",
        b"\x1b[2J",
        b"\x1b[?1049h",
        b"\x1b[10;20H",
        b"\xc2\x9b31m",
        b"\x1b]0;a title\x07",
        b"\x1b]8;;http://example.org\x1b\\",
        b"\x1bP1$r0m\x1b\\",
        b"\x1b(B",
        b"\x1bc",
        b"\x1b7",
    ],
)
def test_an_escape_sequence_goes_as_a_whole(sequence: bytes) -> None:
    assert shown(b"be" + sequence + b"fore\n") == ["before"]


def test_an_unfinished_escape_sequence_ends_with_its_line() -> None:
    assert shown(b"one\x1b]0;title\ntwo\x1b[3\nthree\x1b\n") == ["one", "two", "three"]


def test_an_escape_sequence_in_two_reads_is_still_one() -> None:
    assert shown(b"a\x1b[3", b"1mb\n") == ["ab"]


def test_an_unfinished_line_is_known_and_can_be_taken() -> None:
    incoming = Incoming()

    unfinished = []
    assert incoming.feed(b"Hi\nYour name: ") == ["Hi"]
    unfinished.append(incoming.unfinished)
    assert incoming.flush() == ["Your name:"]
    unfinished.append(incoming.unfinished)
    assert incoming.feed(b"\n") == []
    unfinished.append(incoming.unfinished)

    assert unfinished == [True, False, False]


def test_an_endless_line_is_told_of_once_and_not_kept() -> None:
    incoming = Incoming(max_line_bytes=100)
    lines = [line for _ in range(1000) for line in incoming.feed(b"x" * 99)]

    assert lines == ["(a line of more than 100 bytes is left out)"]
    assert incoming.flush() == []
    assert incoming.feed(b"\nHi\n") == ["Hi"]


@given(st.lists(st.one_of(st.binary(min_size=1), st.sampled_from([b"\x1b[", b"\x1b]", b"\n", b"\xc2\x9b"]))))
def test_whatever_comes_every_line_is_safe_and_not_blank(pieces: list[bytes]) -> None:
    for line in shown(*pieces):
        assert line.strip()
        assert line == sanitise(line)
        assert "\n" not in line
