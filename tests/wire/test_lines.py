"""The line decoder, against the rules as one regular expression, however the bytes are cut."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.fakes import pieces
from threadchat.wire.lines import QUIET_KEYSTROKE_SECONDS, QUIET_SECONDS, LineDecoder, Overlong
from threadchat.wire.text import decode

LIMIT = 8

#: Bytes as peers send them: line ends of every kind, empty lines, lines around the limit.
STREAMS = st.lists(
    st.sampled_from([b"\n", b"\r\n", b"\r", b"\0", b"\r\0", b"a", b"bc", b"12345678", b"\xff\xfe", b"x" * 30]),
    max_size=40,
).map(b"".join)
CUTS = st.lists(st.integers(min_value=0, max_value=10_000), max_size=40)


def by_the_rules(data: bytes) -> tuple[list[bytes], bytes, int]:
    """Return the lines that *data* stands for, what is unfinished, and how many lines are too long."""
    *ended, unfinished = re.split(rb"[\n\r\0]", data)
    overlong = sum(len(line) > LIMIT for line in [*ended, unfinished])
    return (
        [line for line in ended if line and len(line) <= LIMIT],
        unfinished if len(unfinished) <= LIMIT else b"",
        overlong,
    )


def fed(decoder: LineDecoder, *data: bytes) -> list[bytes]:
    """Return the lines that come out when *data* is fed."""
    return b"".join([decoder.feed(piece).lines for piece in data]).split(b"\n")[:-1]


@given(STREAMS, CUTS)
@example(b"12345678\r\n123456789\r\nok\n", [8, 9, 17, 18, 19])
def test_the_same_lines_come_out_however_the_bytes_are_cut(data: bytes, cuts: list[int]) -> None:
    """Whole, cut anywhere or byte by byte: the lines and the unfinished rest are those of the rules."""
    lines, unfinished, _ = by_the_rules(data)
    for cut_at in ([], cuts, list(range(len(data)))):
        decoder = LineDecoder(LIMIT)
        assert fed(decoder, *pieces(data, cut_at)) == lines
        assert decoder.flush() == (unfinished + b"\n" if unfinished else b"")


@given(STREAMS)
def test_each_overlong_line_is_told_once(data: bytes) -> None:
    """Byte by byte, exactly one feed per over-long line says that one is being skipped."""
    decoder = LineDecoder(LIMIT)
    told = [decoder.feed(bytes([byte])).overlong for byte in data]
    assert told.count(Overlong.SKIPPED) == by_the_rules(data)[2]
    assert Overlong.ENDLESS not in told


@given(st.binary(), CUTS)
def test_no_line_that_comes_out_holds_a_line_end_or_is_empty(data: bytes, cuts: list[int]) -> None:
    """CR and NUL are never relayed, and each result is a run of whole lines."""
    decoder = LineDecoder(LIMIT)
    for piece in pieces(data, cuts):
        lines = decoder.feed(piece).lines
        assert b"\r" not in lines
        assert b"\0" not in lines
        assert lines == b"" or lines.endswith(b"\n")
        assert b"" not in lines.split(b"\n")[:-1]


@pytest.mark.parametrize(
    ("sent", "lines"),
    [
        (b"hello\n", [b"hello"]),
        (b"hello\r\n", [b"hello"]),
        (b"hello\r", [b"hello"]),
        (b"hello\0", [b"hello"]),
        (b"hello\r\0", [b"hello"]),
        (b"hello" + b"\0" * 1019, [b"hello"]),  # a C client that sends its whole buffer
        (b"a\nb\n", [b"a", b"b"]),
        (b"\n\r\n\0\r\r", []),
        (b"fake\ralice: x\n", [b"fake", b"alice: x"]),  # ergo #610: a CR must not forge a sender
        (b" \t\n", [b" \t"]),
    ],
)
def test_line_ends_of_every_kind(sent: bytes, lines: list[bytes]) -> None:
    """LF, NUL and bare CR end a line; a CR before LF and empty lines vanish."""
    assert fed(LineDecoder(64), sent) == lines


def test_the_limit_counts_without_the_line_end() -> None:
    """A line of exactly the limit passes, with either line end; one byte more does not."""
    assert fed(LineDecoder(LIMIT), b"12345678\n", b"12345678\r\n", b"123456789\n", b"after\n") == [
        b"12345678",
        b"12345678",
        b"after",
    ]


def test_the_line_after_an_overlong_one_is_said() -> None:
    """An over-long line costs itself only, not its neighbours, even in one read."""
    feed = LineDecoder(LIMIT).feed(b"before\n" + b"x" * 100 + b"\nafter\n")
    assert feed.lines == b"before\nafter\n"
    assert feed.overlong is Overlong.SKIPPED


def test_a_line_without_end_is_endless_at_last() -> None:
    """Data without a newline is told of once, skipped for long, and then taken for what it is."""
    decoder = LineDecoder(LIMIT)
    told = [decoder.feed(b"x" * LIMIT).overlong for _ in range(LineDecoder.ENDLESS_FACTOR + 1)]
    assert told == [
        Overlong.NO,
        Overlong.SKIPPED,
        *[Overlong.NO] * (LineDecoder.ENDLESS_FACTOR - 2),
        Overlong.ENDLESS,
    ]


def test_endless_data_in_one_read_is_endless() -> None:
    """It does not take several reads to notice."""
    assert LineDecoder(LIMIT).feed(b"x" * (LIMIT * LineDecoder.ENDLESS_FACTOR + 1)).overlong is Overlong.ENDLESS


class TestPatience:
    """How long silence lasts before unfinished data counts as a message."""

    def test_nothing_unfinished_needs_no_patience(self) -> None:
        """A fresh or finished decoder waits for ever."""
        decoder = LineDecoder(LIMIT)
        assert decoder.patience is None
        decoder.feed(b"hello\0")
        assert decoder.patience is None

    def test_a_client_that_never_sent_lf_is_flushed_soon(self) -> None:
        """Its data is a message after a moment, and then nothing is pending."""
        decoder = LineDecoder(LIMIT)
        decoder.feed(b"hello")
        assert decoder.patience == QUIET_SECONDS
        assert decoder.flush() == b"hello\n"
        assert decoder.patience is None
        assert decoder.flush() == b""

    def test_a_terminal_that_sends_each_key_is_given_time_to_type(self) -> None:
        """The last read was a single byte."""
        decoder = LineDecoder(LIMIT)
        decoder.feed(b"h")
        decoder.feed(b"i")
        assert decoder.patience == QUIET_KEYSTROKE_SECONDS
        decoder.feed(b"there")
        assert decoder.patience == QUIET_SECONDS

    def test_after_its_first_lf_a_client_is_waited_for(self) -> None:
        """It is a line client then; what it sends later without LF waits for its end, however long."""
        decoder = LineDecoder(LIMIT)
        decoder.feed(b"hello\nwor")
        assert decoder.patience is None
        assert fed(decoder, b"ld\n") == [b"world"]

    @pytest.mark.parametrize("end", [b"\r", b"\0"])
    def test_other_line_ends_amid_a_message_do_not_make_a_line_client(self, end: bytes) -> None:
        """Only LF does."""
        decoder = LineDecoder(LIMIT)
        decoder.feed(b"a" + end + b"bc")
        assert decoder.patience == QUIET_SECONDS

    def test_a_buffer_full_of_nul_does_not_make_a_line_client(self) -> None:
        """The next message may come without."""
        decoder = LineDecoder(64)
        decoder.feed(b"hello".ljust(64, b"\0"))
        decoder.feed(b"again")
        assert decoder.patience == QUIET_SECONDS

    @pytest.mark.parametrize("enter", [[b"\r"], [b"\r\0"], [b"\r", b"\0"], [b"i\r"]])
    def test_enter_in_a_terminal_that_sends_each_key_makes_a_line_client(self, enter: list[bytes]) -> None:
        """Raw PuTTY, socat and telnetlib3 end lines with CR: a pause amid the next line is a pause."""
        decoder = LineDecoder(LIMIT)
        assert fed(decoder, b"h", *enter)[0][:1] == b"h"
        decoder.feed(b"w")
        assert decoder.patience is None
        assert fed(decoder, b"o", b"\r") == [b"wo"]

    def test_a_message_after_a_skipped_one_is_a_new_one(self) -> None:
        """Silence ends an over-long message of a client that sends no line ends, too."""
        decoder = LineDecoder(LIMIT)
        decoder.feed(b"x" * 20)
        assert decoder.patience == QUIET_SECONDS
        assert decoder.flush() == b""
        decoder.feed(b"hello")
        assert decoder.flush() == b"hello\n"


def test_what_was_erased_does_not_count() -> None:
    """Who has held Backspace down for long has typed nothing; who erased a long line may type a short one."""
    assert fed(LineDecoder(LIMIT), b"\b" * 100, b"hi\n") == [b"hi"]
    assert fed(LineDecoder(LIMIT), b"123456789\b\n") == [b"12345678"]
    decoder = LineDecoder(LIMIT)
    for key in b"12345678" + b"\x7fx" * 100:
        assert decoder.feed(bytes([key])).overlong is Overlong.NO
    assert decode(b"".join(fed(decoder, b"\n")), typed=True) == "1234567x"


def test_a_character_in_two_reads_stays_one_when_what_was_erased_is_let_go_of() -> None:
    """Bytes are not characters yet."""
    euro = "€".encode()
    assert fed(LineDecoder(LIMIT), b"\b" * LIMIT + euro[:1], euro[1:] + b"\n") == [euro]


@given(st.lists(st.sampled_from([b"a", b"bc", b"\n", b"\r\n", b"\0", b"x" * 20]), max_size=30), st.integers(0, 100))
def test_another_decoder_goes_on_where_one_was(parts: list[bytes], cut: int) -> None:
    """Anywhere, in the middle of an over-long line as well; what it says of itself can be told in JSON."""
    data = b"".join(parts)
    cut %= len(data) + 1
    one, other, alone = (LineDecoder(16) for _ in range(3))
    found = one.feed(data[:cut]) if cut else None
    other.restore(json.loads(json.dumps(one.state())))
    if found:
        alone.feed(data[:cut])
    assert (other.patience, other.settled) == (alone.patience, alone.settled)
    if data[cut:]:
        assert other.feed(data[cut:]) == alone.feed(data[cut:])
    assert other.flush() == alone.flush()
