"""Messages by delimiter: found anywhere in the stream, however it was cut into reads."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from threadchat.base.errors import WireError
from threadchat.wire.delimiter import DelimiterDecoder

MANY = 1_000_000


@pytest.mark.parametrize(
    ("reads", "messages"),
    [
        ([b"a\r\n"], [b"a\r\n"]),
        ([b"a\r\nb\r\n"], [b"a\r\n", b"b\r\n"]),
        ([b"a\r\nbc", b"d\r\n"], [b"a\r\n", b"bcd\r\n"]),
        ([b"abc", b"def\r\n"], [b"abcdef\r\n"]),
        ([b"\r\n"], [b"\r\n"]),
        ([b"abc\r", b"\n"], [b"abc\r\n"]),
        ([b"a", b"b", b"\r", b"\n"], [b"ab\r\n"]),
        ([b"a\r", b"b\r\n"], [b"a\rb\r\n"]),
    ],
)
def test_the_cases_in_which_roadrunner_merges_or_disconnects(reads: list[bytes], messages: list[bytes]) -> None:
    """Lines that share a read are two events, and a delimiter cut in half is still one."""
    decoder = DelimiterDecoder(b"\r\n", MANY)
    assert [message for read in reads for message in decoder.feed(read)] == messages


@settings(max_examples=200)
@given(
    stream=st.lists(st.sampled_from([b"a", b"b", b"-", b"--end--", b"--en"])).map(b"".join),
    delimiter=st.sampled_from([b"\n", b"--", b"--end--", b"aab"]),
    cuts=st.lists(st.integers(1, 9), min_size=1, max_size=20),
)
def test_cuts_do_not_matter(stream: bytes, delimiter: bytes, cuts: list[int]) -> None:
    """Every byte comes out once and in order, and in the same messages as if it had come in one read."""
    decoder, messages, at = DelimiterDecoder(delimiter, MANY), list[bytes](), 0
    while at < len(stream):
        size = cuts[at % len(cuts)]
        messages += decoder.feed(stream[at : at + size])
        at += size
    rest = decoder.flush()
    whole = DelimiterDecoder(delimiter, MANY)

    assert (messages, rest) == (whole.feed(stream), whole.flush())
    assert b"".join(messages) + rest == stream
    assert all(message.count(delimiter) == 1 and message.endswith(delimiter) for message in messages)
    assert delimiter not in rest


def test_an_endless_message_is_refused() -> None:
    """A peer that never sends the delimiter cannot fill the memory."""
    decoder = DelimiterDecoder(b"\r\n", 10)
    decoder.feed(b"12345678")
    with pytest.raises(WireError, match="no delimiter in 10 bytes"):
        decoder.feed(b"9ab")


def test_there_is_no_empty_delimiter() -> None:
    """An empty delimiter would end a message everywhere."""
    with pytest.raises(ValueError, match="at least one byte"):
        DelimiterDecoder(b"", 10)
