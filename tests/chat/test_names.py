"""Names: what may be one, and which are too much alike for two people."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from threadchat.base.errors import ChatError
from threadchat.chat.names import MAX_NAME_CHARACTERS, check_name, check_room_name, guest_name, name_keys, skeleton
from threadchat.wire.text import sanitise


def alike(one: str, other: str) -> bool:
    """Return whether two people may not be called *one* and *other*."""
    return bool(name_keys(one) & name_keys(other))


@pytest.mark.parametrize(
    "name",
    [
        "John",
        "j",
        "Anne-Marie",
        "o'neill",
        "r2d2",
        "x" * 32,
        "Ωμέγα",
        "李雷",
        "שלום",
        "🙂",
        "दुःख",
        "หนูน้อย",
        "שָׁלוֹם",
        "مُحَمَّد",
        "Nguyễn",
    ],
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
        ("", "letter"),
        ("x" * 33, "at most 32"),
        ("two words", "no spaces"),
        ("a:b", "letters, digits"),
        ("tab\tbed", "no spaces"),
        ("e\u200bve", "letters, digits, emoji and - _ . ' only, not U+200B ZERO WIDTH SPACE."),
        ("a:b", "not U+003A COLON."),
        ("bob\ufe0f", "not U+FE0F VARIATION SELECTOR-16."),
        ("bob\u034f", "not U+034F COMBINING GRAPHEME JOINER."),
        ("bob\u3164", "not U+3164 HANGUL FILLER."),  # each of these is blank
        ("bob\u115f", "not U+115F HANGUL CHOSEONG FILLER."),
        ("bob\u1160", "not U+1160 HANGUL JUNGSEONG FILLER."),
        ("bob\uffa0", "not U+FFA0 HALFWIDTH HANGUL FILLER."),
        ("bob\u2800", "not U+2800 BRAILLE PATTERN BLANK."),
        ("bob\u17b4", "not U+17B4 KHMER VOWEL INHERENT AQ."),
        ("bob\ufffc", "not U+FFFC OBJECT REPLACEMENT CHARACTER."),
        ("bob\U0001d159", "not U+1D159 MUSICAL SYMBOL NULL NOTEHEAD."),
        ("bob\U0001107f", "not U+1107F BRAHMI NUMBER JOINER."),
        ("bob\x1b", "not U+001B."),
        ("a\u202eb", "not U+202E RIGHT-TO-LEFT OVERRIDE."),
        ("👍🏽", "not U+1F3FD EMOJI MODIFIER FITZPATRICK TYPE-4."),
        ("👩‍🚀", "not U+200D ZERO WIDTH JOINER."),
        ("aliceꓽhi", "not U+A4FD LISU LETTER TONE MYA JEU."),  # it looks like a colon
        ("annꓹbob", "not U+A4F9 LISU LETTER TONE NA PO."),  # and this like a comma
        ("𐌟", "not U+1031F OLD ITALIC LETTER ESS."),  # and this like the server's star
        ("z\u0335\u0321\u0316\u0301\u0302", "at most 3 accents on a letter"),
        ("ก" + "็" * 4, "at most 3 accents on a letter"),
        ("\u0301a", "does not begin with an accent"),
        ("\u0903a", "does not begin with an accent"),
        ("you", "reserved"),
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
    ("wanted", "name"),
    [
        ("den", "den"),
        ("#Den", "den"),
        ("a.b-c_1", "a.b-c_1"),
        ("Straße", "strasse"),
        ("ｄｅｎ", "den"),
        ("हिन्दी", "हिन्दी"),
        ("42", "42"),
    ],
)
def test_room_names_are_folded(wanted: str, name: str) -> None:
    """A room has one name in any case, with or without the hash that IRC users type."""
    assert check_room_name(wanted) == name


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ("", "at least one letter or digit"),
        ("#", "at least one letter or digit"),
        ("...", "at least one letter or digit"),
        ("-", "at least one letter or digit"),
        ("two words", "letters, digits and - _ . only, and no spaces"),
        ("x" * 33, "at most 32"),
        ("a/b", "not U+002F SOLIDUS"),
        ("[x]", "not U+005B"),
        ("*", "not U+002A ASTERISK"),
        ("##x", "not U+0023 NUMBER SIGN"),
        ("🙂", "not U+1F642"),
        ("den(2)", "not U+0028"),  # /rooms says how many are there
        ("denꓹlobby", "not U+A4F9"),
        ("a" + "\u0301" * 30, "at most 3 accents"),
    ],
)
def test_what_may_not_be_a_room(wanted: str, why: str) -> None:
    """The sentence for the user says why."""
    with pytest.raises(ChatError, match=r"^A room's name ") as refusal:
        check_room_name(wanted)
    assert why in str(refusal.value)


@given(st.text(max_size=40))
def test_whatever_is_a_room_is_one_word_in_one_form(wanted: str) -> None:
    """Whoever types what /rooms says gets there."""
    try:
        name = check_room_name(wanted)
    except ChatError:
        return
    assert check_room_name(name) == name
    assert sanitise(name) == name
    assert name.split() == [name]
    assert not set(name) & set(":*/[](),<>")


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
