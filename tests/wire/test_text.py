"""The sanitiser, against what Unicode's own tables say about each character; and the decoder."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from threadchat.wire.text import MOST_MARKS, decode, is_mark, sanitise

ANY_TEXT = st.text(st.characters(exclude_categories=()))  # lone surrogates too
BIDI_CONTROLS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def is_harmless(character: str) -> bool:
    """Return whether *character* can neither drive a terminal nor break or reorder a line."""
    return character in "\t\n" or (
        unicodedata.category(character) not in ("Cc", "Cs", "Zl", "Zp")
        and unicodedata.bidirectional(character) not in BIDI_CONTROLS
        and character not in "\u200e\u200f\u061c\ufeff"
    )


@given(ANY_TEXT)
def test_nothing_harmful_survives_in_text(text: str) -> None:
    """No C0 but TAB, no DEL, C1, ESC, bidi control, separator or surrogate is left; LF is framing."""
    assert all(is_harmless(c) for c in sanitise(text))


@given(st.binary())
def test_nothing_harmful_survives_in_bytes(data: bytes) -> None:
    """Whatever bytes come, what they decode to is harmless and can be encoded."""
    text = decode(data)
    assert all(is_harmless(c) for c in text)
    text.encode()


def test_every_single_harmful_character_is_removed() -> None:
    """All of Unicode, not only what a random text happens to hold."""
    everything = map(chr, range(0x110000))
    assert [hex(ord(c)) for c in everything if not is_harmless(c) and sanitise(c)] == []


def test_every_visible_character_survives() -> None:
    """Letters, marks, numbers, punctuation, symbols and spaces of all scripts are left alone."""
    visible = [c for c in map(chr, range(0x110000)) if unicodedata.category(c)[0] in "LMNPS" or c in " \u3000"]
    assert [c for c in visible if sanitise(f"a{c}b") != f"a{c}b"] == []


@given(ANY_TEXT)
def test_sanitising_twice_changes_nothing(text: str) -> None:
    """Nothing harmful is made of what is left when something is taken out."""
    once = sanitise(text)
    assert sanitise(once) == once


@given(st.text())
def test_bytes_and_text_are_treated_alike(text: str) -> None:
    """Decoding is UTF-8, then the sanitiser, whichever way takes the shortcut for ASCII."""
    assert decode(text.encode()) == sanitise(text)


@given(st.text(st.characters(max_codepoint=127)))
def test_the_ascii_shortcut_does_what_the_long_way_does(text: str) -> None:
    """Pure ASCII comes out the same as beside a character that is not."""
    assert decode(text.encode()) == decode(f"é{text}".encode())[1:]


@given(st.lists(st.binary().map(lambda line: line.replace(b"\n", b""))))
def test_a_run_of_lines_decodes_line_by_line(lines: list[bytes]) -> None:
    """An unfinished UTF-8 sequence at the end of a line takes nothing from the next one."""
    assert decode(b"\n".join(lines)).split("\n") == [decode(line) for line in lines or [b""]]


@pytest.mark.parametrize(
    "text",
    [
        "tab\there",
        "naïve café, Ωμέγα, Привет, שלום, 你好, مرحبا",
        "👩‍🚀 👨‍👩‍👧‍👦 ❤️ 👍🏽 🏳️‍🌈",
        "می‌خواهم",  # Persian needs the zero-width non-joiner
        "e\u0301 and \u00e9",
        "विश्व, हिन्दी, कर्त्तव्य, र्ड्ढ्यँ",
        "น้ำ ที่ ผู้ใหญ่ กิ๊ก",
        unicodedata.normalize("NFD", "Tiếng Việt: ngữ nghĩa, đường, trường"),
        "اَلْعَرَبِيَّةُ مُحَمَّدٌ",
        "בְּרֵאשִׁ֖ית בָּרָ֣א יְרוּשָׁלִַ֖ם שָּֽׁ֖",
        "རྒྱ་གར་སྐད་དུ",
        "မြန်မာ ရွှံ့",
        "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",  # Scotland
        "1️⃣ 🇩🇪🇫🇷 ❤️‍🔥 👩🏽‍❤️‍💋‍👨🏿 🏴‍☠️",
        "😂" * 40,
    ],
)
def test_what_people_write_survives(text: str) -> None:
    """Every script, combining marks, and emoji joined with ZWJ are left alone."""
    assert decode(text.encode()) == text


@pytest.mark.parametrize(
    ("attack", "left"),
    [
        (b"\x1b[2Jgone", "gone"),
        (b"\x1b]52;c;Zm9v\x07copied", "copied"),  # OSC 52 sets the clipboard
        (b"\xc2\x9b31mred", "red"),  # C1: CSI as one character
        (b"\x1b[31mr\xc3\xa9d\x1b[0m", "réd"),
        (b"\x1b]0;title\nnext \x1b[3\nlast", "\nnext \nlast"),  # unfinished ones end with their line
        ("a\u202etxt.exe".encode(), "atxt.exe"),
        ("x\u2028alice: hi".encode(), "xalice: hi"),
        (b"bell\x07 sub\x1a", "bell sub"),
        (b"\xc0\xaf\xed\xa0\x80", "À¯í\xa0€"),  # overlong and surrogate encodings are not UTF-8
        ("\U0001f3f4\U000e0068\U000e0069\U000e007f".encode(), "\U0001f3f4"),  # a message in tags: no flag
    ],
)
def test_attacks_lose_their_teeth(attack: bytes, left: str) -> None:
    """What could drive a terminal or forge a line arrives as plain text."""
    assert decode(attack) == left


class TestEncodings:
    """A line is UTF-8, or Windows-1252."""

    @pytest.mark.parametrize(
        ("sent", "text"),
        [
            (b"caf\xe9", "café"),
            (b"\x93quoted\x94 \x80 10", "“quoted” € 10"),
            (b"\xff\xfe", "ÿþ"),
            ("café €".encode(), "café €"),
            (b"cut \xe2\x82", "cut â‚"),
            (b"\x81\x8d\x8f\x90\x9d\xe9", "\ufffd" * 5 + "é"),  # bytes that Windows-1252 does not have
        ],
    )
    def test_a_line(self, sent: bytes, text: str) -> None:
        """As a whole."""
        assert decode(sent) == text

    def test_each_line_has_its_own(self) -> None:
        """However many come in one read."""
        assert decode(b"caf\xe9\ncaf\xc3\xa9\n") == "café\ncafé\n"


class TestMarks:
    """Accents piled up on a letter."""

    @pytest.mark.parametrize(
        "mark", ["\u0301", "\u0e47", "\u0651", "\u093c", "\u20dd", "\U0001d167", "\u0301\u200d", "\ufe0f"]
    )
    @pytest.mark.parametrize("around", ["", "\x1b[0m"])
    def test_a_letter_keeps_a_handful(self, mark: str, around: str) -> None:
        """And the next letter begins anew; joiners among the marks do not help."""
        text = sanitise(f"a{mark * 30}b{mark}c{around}")
        assert text == f"a{(mark * 30)[:MOST_MARKS]}b{mark}c"

    def test_so_it_is_with_every_mark_there_is(self) -> None:
        """In all of Unicode."""
        marks = [c for c in map(chr, range(0x110000)) if is_mark(c)]
        assert len(marks) > 1000
        assert [c for c in marks if len(sanitise("a" + c * 9)) != 1 + MOST_MARKS] == []

    @given(st.text(st.sampled_from("aé\u0301\u0302\u0e47\u200d\u0651\n😂")))
    def test_no_text_has_more(self, text: str) -> None:
        """Lines are shortened by marks only."""
        left = sanitise(text)
        for line in left.split("\n"):
            marks = 0
            for character in line:
                marks = marks + 1 if is_mark(character) or character == "\u200d" else 0
                assert marks <= MOST_MARKS
        assert [c for c in left if c in "aé\n😂"] == [c for c in text if c in "aé\n😂"]


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        (b"abc\b\bXY", "aXY"),
        ("caf\u00e9\x7fe".encode(), "cafe"),
        (b"caf\xe9\be", "cafe"),
        (b"\x1b[31m\bred", "red"),
        (b"re \a\x1b[0m\bd", "red"),
    ],
)
def test_what_was_erased_is_not_said(typed: bytes, text: str) -> None:
    """In any encoding; an escape sequence is no character."""
    assert decode(typed, typed=True) == text


@given(st.binary())
def test_what_was_typed_is_as_safe(data: bytes) -> None:
    """No key is left either."""
    assert all(is_harmless(c) for c in decode(data, typed=True))


def test_what_a_program_writes_is_not_erased() -> None:
    """It moves its cursor with these characters, and nobody looks at a cursor here."""
    assert decode(b"100 %\b\b\x7f\x15\x17 done") == "100 % done"
