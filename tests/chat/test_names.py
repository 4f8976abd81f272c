"""Names: what may be one, and which are too much alike for two people."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from threadchat.base.errors import ChatError
from threadchat.chat.names import MAX_NAME_CHARACTERS, check_name, guest_name, name_keys, skeleton
from threadchat.wire.text import sanitise


def alike(one: str, other: str) -> bool:
    """Return whether two people may not be called *one* and *other*."""
    return bool(name_keys(one) & name_keys(other))


@pytest.mark.parametrize(
    "name", ["John", "j", "Anne-Marie", "o'neill", "r2d2", "x" * 32, "Ωμέγα", "李雷", "שלום", "🙂"]
)
def test_what_people_call_themselves_is_a_name(name: str) -> None:
    """Case is kept; every script will do, and so does an emoji."""
    assert check_name(name) == name


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        (" John ", "John"),
        ("Ｊｏｈｎ", "John"),  # RFC 8266: fullwidth is mapped
        ("e\u0301ve", "éve"),
    ],
)
def test_a_name_is_shown_in_its_normal_form(wanted: str, name: str) -> None:
    """The PRECIS Nickname profile says which."""
    assert check_name(wanted) == name


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ("", "characters"),
        ("x" * 33, "at most 32"),
        ("two words", "no spaces"),
        ("a:b", "letters, digits"),
        ("tab\tbed", "characters"),
        ("e\u200bve", "characters"),  # zero width space
        ("bob\ufe0f", "characters"),  # an invisible variation selector
        ("bob\u034f", "characters"),
        ("bob\u3164", "characters"),  # Hangul filler: blank
        ("a\u202eb", "characters"),
        ("12345", "letter"),
        ("٣٤", "letter"),
        ("---", "letter"),
        ("*bob", "letters, digits"),
        ("/bob", "letters, digits"),
        ("[bob]", "letters, digits"),
        ("<bob>", "letters, digits"),
        ("Server", "reserved"),
        ("SYSTEM", "reserved"),
        ("ѕеrvеr", "reserved"),  # Cyrillic look-alikes
        ("rооt", "reserved"),
        ("guest", "reserved"),
        ("Guest-1", "reserved"),
        ("guest-l", "reserved"),  # looks like guest-1
        ("guest1", "reserved"),
        ("guest27", "reserved"),
        ("guest-١", "reserved"),  # an Arabic digit
    ],
)
def test_what_may_not_be_a_name(wanted: str, why: str) -> None:
    """The sentence for the user says why."""
    with pytest.raises(ChatError, match=r".") as refusal:
        check_name(wanted)
    assert why in str(refusal.value)


@given(st.text(max_size=MAX_NAME_CHARACTERS + 4))
def test_whatever_is_a_name_is_harmless(wanted: str) -> None:
    """A name is short, one word, visible, and cannot be taken for the server, a command or a message."""
    try:
        name = check_name(wanted)
    except ChatError:
        return
    assert 1 <= len(name) <= MAX_NAME_CHARACTERS
    assert sanitise(name) == name
    assert len(f"-{name}-".split()) == 1
    assert ":" not in name
    assert name[0] not in "*/[<"
    assert not any(unicodedata.category(c) in ("Cf", "Cc", "Cs", "Co", "Cn") for c in name)
    assert check_name(name) == name


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("john", "JOHN"),
        ("john", "jоhn"),  # Cyrillic о: Cryptodog #27
        ("paypal", "pаypаl"),
        ("Bill", "Bi11"),
        ("Ill", "lll"),
        ("modern", "modem"),
        ("b0b", "bob"),
        ("straße", "STRASSE"),
        ("éve", "e\u0301ve"),
        ("Ørjan", "O\u0338rjan"),  # a letter, and the same letter with a combining stroke
        ("Ιota", "Iota"),  # Greek capital iota
    ],
)
def test_names_that_could_be_mistaken_for_each_other(one: str, other: str) -> None:
    """Case and look-alike letters make no second name, whichever of the two is there first."""
    assert alike(one, other)
    assert alike(other, one)


@pytest.mark.parametrize(
    ("one", "other"), [("john", "joan"), ("Nina", "nine"), ("bob", "bobb"), ("éve", "eve"), ("Nora", "nova")]
)
def test_names_that_are_different_enough(one: str, other: str) -> None:
    """The rule against look-alikes leaves ordinary names alone."""
    assert not alike(one, other)


@given(st.text(min_size=1, max_size=MAX_NAME_CHARACTERS))
def test_a_name_is_like_itself_in_any_case(name: str) -> None:
    """Case folding, as Unicode defines it, never leads out of a name's keys."""
    assert alike(name, name.casefold())
    assert alike(name, name)


def test_a_skeleton_is_its_own() -> None:
    """Prototypes stand for themselves: looking again finds nothing new, for any character there is."""
    skeletons = {character: skeleton(character) for character in map(chr, range(0x30000))}
    assert [c for c, found in skeletons.items() if skeleton(found) != found] == []


@pytest.mark.parametrize("number", [1, 10, 123456])
def test_nobody_may_choose_a_guests_name(number: int) -> None:
    """Else they could be who comes next."""
    with pytest.raises(ChatError):
        check_name(guest_name(number))
