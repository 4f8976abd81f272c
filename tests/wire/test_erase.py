"""What somebody erased: whole characters, words, the line, and never more than there is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from threadchat.wire.erase import erase, erase_bytes

#: Each is one character to whoever types it.
CHARACTERS = [
    "a",
    "é",
    "e\u0301",
    "q\u0323\u0307",
    "नि",
    "กำ",
    "각",
    "각",
    "שָּׁ",
    "👍🏽",
    "👩‍🚀",
    "👨‍👩‍👧‍👦",
    "❤️",
    "1️⃣",
    "🇩🇪",
    "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
    " ",
    "\t",
]


@pytest.mark.parametrize("key", ["\b", "\x7f"])
@pytest.mark.parametrize("character", CHARACTERS)
def test_a_character_goes_as_a_whole(character: str, key: str) -> None:
    """Accents, joined emoji, skin tones and flags included."""
    assert erase(f"x🇫🇷{character}{key}") == "x🇫🇷"


@pytest.mark.parametrize(
    ("typed", "left"),
    [
        ("abc\b\bXY", "aXY"),
        ("\b\b\bhi", "hi"),
        ("a\b\b\b", ""),
        ("wrong line\x15right", "right"),
        ("\x15\x15", ""),
        ("one two\x17three", "one three"),
        ("one two  \x17three", "one three"),
        ("one\x17\x17\x17two", "two"),
        ("one two\x17\x17three", "three"),
        ("e\b\u0301", "\u0301"),
        ("cafe\u0301s\b\b", "caf"),
        ("nothing", "nothing"),
    ],
)
def test_what_is_left(typed: str, left: str) -> None:
    """More erasing than there is does nothing."""
    assert erase(typed) == left


@given(
    st.lists(st.one_of(st.sampled_from(CHARACTERS[:3] + CHARACTERS[6:15]), st.just("\b"), st.just("\x15")), max_size=30)
)
def test_typing_is_a_list_of_characters(keys: list[str]) -> None:
    """Backspace takes the last one, Ctrl-U all. (Two halves of a flag would be one: each is followed by a dash.)"""
    left: list[str] = []
    for key in keys:
        match key:
            case "\b":
                left = left[:-2]
            case "\x15":
                left = []
            case _:
                left += [key, "-"]
    assert erase("".join(key * 2 if key == "\b" else key if key == "\x15" else f"{key}-" for key in keys)) == "".join(
        left
    )


@given(st.text(st.sampled_from("ab \u0301é\b\x7f\x15\x17\u200d😂")), st.integers(0, 50))
def test_a_half_that_has_been_done_need_not_be_done_again(typed: str, cut: int) -> None:
    """The decoder may let go of what was erased at any time."""
    assert erase(erase(typed[:cut]) + typed[cut:]) == erase(typed)


@given(st.binary())
def test_bytes_are_treated_as_text_is(data: bytes) -> None:
    """No key is left, and bytes that are no character are erased one by one."""
    left = erase_bytes(data)
    assert not set(left) & set(b"\b\x7f\x15\x17")
    assert erase_bytes(left) == left
    assert left.startswith(erase_bytes(data + b"\xff\b"))  # what belongs to the next character goes with it


@given(st.text())
def test_nothing_is_added(typed: str) -> None:
    """What is left has been typed, in that order."""
    rest = iter(typed)
    assert all(character in rest for character in erase(typed))
