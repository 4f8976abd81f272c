from __future__ import annotations

import pytest

from threadchat.chat.commands import COMMANDS as THREADCHATS
from threadchat.client.talkers import COMMANDS, MAX_NAMES, Completion, Talkers, talker_of


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


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("* You are guest-5, with Ann and bob in lobby. Type /help for help.", ["Ann", "bob"]),
        ("* You are guest-5, with Ann in lobby. Type /help for help.", ["Ann"]),
        ("* You are guest-5, with a, b, c, d, e and 7 more in lobby. Type /help for help.", ["a", "b", "c", "d", "e"]),
        ("* You are guest-5, alone in lobby. Type /help for help.", []),
        ("* 3 in lobby: Ann, bob and John", ["Ann", "bob"]),
        ("* 1 in lobby: John", []),
        ("* 60 in lobby: a, b and 58 more", ["a", "b"]),
        ("* You are in dev, with Ann and bob.", ["Ann", "bob"]),
        ("* You are in dev, 3 people in all.", []),
        ("* 2 rooms: lobby (1) and dev (2)", []),
        ("** Ann waves", ["Ann"]),
        ("[to Ann] psst", ["Ann"]),
    ],
)
def test_who_is_listed_is_there(line: str, names: list[str]) -> None:
    assert heard(line).complete("", "John") == [f"{name}: " for name in names]


def test_who_is_only_listed_comes_behind_those_who_speak() -> None:
    talkers = heard("Zoe: hi", "Ann: hi", "* 4 in lobby: John, bob, Ann and Carl")

    assert talkers.complete("", "John") == ["Ann: ", "Zoe: ", "bob: ", "Carl: "]


def test_who_whispers_is_there() -> None:
    assert heard("[from Anna] psst").complete("/msg ", "John") == ["/msg Anna "]


def test_commands_are_completed_at_the_beginning_only() -> None:
    talkers = Talkers()

    assert talkers.complete("/ni", "John") == ["/nick "]
    assert talkers.complete("/", "John") == [f"{command} " for command in COMMANDS]
    assert talkers.complete("and /ni", "John") == []


def test_the_commands_are_those_that_threadchat_has() -> None:
    assert [f"/{command.name}" for command in THREADCHATS] == list(COMMANDS)


def pressed(text: str, *lines: str, times: int) -> list[str]:
    """What Tab makes of *text*, pressed so many times, for John who has heard *lines*."""
    completion, shown = Completion(heard(*lines)), []
    for _ in range(times):
        text = completion.next(text, "John")
        shown.append(text)
    return shown


def test_tab_goes_through_the_choices_and_back_to_what_was_typed() -> None:
    assert pressed("/m", times=4) == ["/msg ", "/me ", "/m", "/msg "]
    assert pressed("a", "Anton: hi", "Ann: hi", times=3) == ["Ann: ", "Anton: ", "a"]


def test_an_only_choice_stays() -> None:
    assert pressed("/ni", "Ann: hi", times=3) == ["/nick "] * 3
    assert pressed("an", "Ann: hi", "Bob: hi", times=3) == ["Ann: "] * 3


def test_after_a_command_to_somebody_tab_offers_names() -> None:
    assert pressed("/ms", "Ann: hi", "Bob: hi", times=4) == ["/msg ", "/msg Bob ", "/msg Ann ", "/msg "]
    assert pressed("/msg ", "Ann: hi", times=2) == ["/msg Ann "] * 2
    assert pressed("/ms", times=3) == ["/msg "] * 3


def test_where_there_is_no_choice_tab_changes_nothing() -> None:
    assert pressed("xyz", "Ann: hi", times=2) == ["xyz"] * 2


def test_what_is_typed_after_a_tab_is_completed_anew() -> None:
    completion = Completion(heard("Ann: hi", "Bob: hi"))

    assert completion.next("a", "John") == "Ann: "
    assert completion.next("Ann: ask b", "John") == "Ann: ask Bob "


def test_a_crowd_does_not_fill_the_memory() -> None:
    talkers = heard(*[f"n{number}: hi" for number in range(MAX_NAMES + 5)])

    assert len(talkers.complete("", "John")) == MAX_NAMES
    assert talkers.complete("", "John")[-1] == "n5: "
    talkers.heard("* 60 in lobby: late and 59 more")
    assert len(talkers.complete("", "John")) == MAX_NAMES
