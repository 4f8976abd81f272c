"""The sanitiser, against what Unicode's own tables say about each character."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from threadchat.wire.text import decode, sanitise

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
    visible = "".join(c for c in map(chr, range(0x110000)) if unicodedata.category(c)[0] in "LMNPS" or c in " \u3000")
    assert sanitise(visible) == visible


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
    assert decode(text.encode()) == decode(text.encode() + "é".encode())[:-1]


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
    ],
)
def test_what_people_write_survives(text: str) -> None:
    """Every script, combining marks, and emoji joined with ZWJ are left alone."""
    assert decode(text.encode()) == text


@pytest.mark.parametrize(
    ("attack", "left"),
    [
        (b"\x1b[2Jgone", "[2Jgone"),
        (b"\x1b]52;c;Zm9v\x07copied", "]52;c;Zm9vcopied"),  # OSC 52 sets the clipboard
        (b"\xc2\x9b31mred", "31mred"),  # C1: CSI as one character
        ("a\u202etxt.exe".encode(), "atxt.exe"),
        ("x\u2028alice: hi".encode(), "xalice: hi"),
        (b"del\x7f bell\x07 back\x08", "del bell back"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"\xc0\xaf\xed\xa0\x80", "\ufffd" * 5),  # overlong and surrogate encodings are not UTF-8
        (b"cut \xe2\x82", "cut \ufffd"),
    ],
)
def test_attacks_lose_their_teeth(attack: bytes, left: str) -> None:
    """What could drive a terminal or forge a line arrives as plain text."""
    assert decode(attack) == left
