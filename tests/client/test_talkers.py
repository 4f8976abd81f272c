from __future__ import annotations

import pytest

from threadchat.client.talkers import COMMANDS, MAX_NAMES, Talkers, talker_of


def heard(*lines: str) -> Talkers:
    """Talkers who have said *lines*."""
    talkers = Talkers()
    for line in lines:
        talkers.heard(line)
    return talkers


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("John: Hi", "John"),
        ("* John joined", None),
        ("* Note: this", None),
        ("[from John] psst", None),
        ("Welcome to the chatroom!", None),
        ("http://example.org: look", None),
        ("John:Hi", None),
    ],
)
def test_the_name_in_front_is_the_talkers(line: str, name: str | None) -> None:
    assert talker_of(line) == name


def test_who_spoke_last_comes_first() -> None:
    talkers = heard("Anna: hi", "Anton: hi", "Bob: hi", "Anna: again")

    assert talkers.complete("a", "John") == ["Anna: ", "Anton: "]
    assert talkers.complete("", "John") == ["Anna: ", "Bob: ", "Anton: "]


def test_a_name_within_a_line_gets_a_space() -> None:
    talkers = heard("Anna: hi")

    assert talkers.complete("hello AN", "John") == ["hello Anna "]
    assert talkers.complete("/msg an", "John") == ["/msg Anna "]


def test_ones_own_name_is_not_offered() -> None:
    assert heard("John: hi").complete("jo", "John") == []


def test_comings_and_goings_are_noticed() -> None:
    talkers = heard(
        "* Anna joined",
        "* Bob joined",
        "* Carl joined",
        "* Bob left",
        "* Carl is now Chris",
        "* Dora joined",
        "* Dora left for den",
    )

    assert talkers.complete("", "John") == ["Chris: ", "Anna: "]


def test_who_whispers_is_there() -> None:
    assert heard("[from Anna] psst").complete("/msg ", "John") == ["/msg Anna "]


def test_commands_are_completed_at_the_beginning_only() -> None:
    talkers = Talkers()

    assert talkers.complete("/ni", "John") == ["/nick "]
    assert talkers.complete("/", "John") == [f"{command} " for command in COMMANDS]
    assert talkers.complete("and /ni", "John") == []


def test_a_crowd_does_not_fill_the_memory() -> None:
    talkers = heard(*[f"n{number}: hi" for number in range(MAX_NAMES + 5)])

    assert len(talkers.complete("", "John")) == MAX_NAMES
    assert talkers.complete("", "John")[-1] == "n5: "
