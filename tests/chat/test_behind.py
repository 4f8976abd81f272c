"""How far somebody has got, and whose turn it is to read for them."""

from __future__ import annotations

from tests.chat.rooms import OneRoom
from threadchat.chat.behind import Behind, Turn


class TestTurns:
    def test_one_at_a_time(self) -> None:
        turn = Turn()
        assert turn.begin()
        assert not turn.begin()

    def test_what_is_wanted_meanwhile_is_done_once_more(self) -> None:
        """However often it was asked for."""
        turn = Turn()
        assert turn.begin()
        assert turn.again()
        turn.begin()
        turn.begin()
        assert turn.again()
        assert not turn.again()

    def test_it_can_be_somebody_elses_afterwards(self) -> None:
        turn = Turn()
        turn.begin()
        assert [turn.again(), turn.again()] == [True, False]
        assert turn.begin()


def behind(position: int | None = None, own: tuple[int, ...] = ()) -> Behind:
    return Behind(OneRoom().room._catch_up, position, own)


def test_it_knows_what_the_member_said_itself() -> None:
    place = behind(5, (7,))
    place.says(9)
    assert [number for number in range(5, 11) if place.said(number)] == [7, 9]


def test_it_forgets_what_lies_behind_it() -> None:
    """So that nothing grows while somebody talks and never catches up."""
    place = behind(5, (7, 9))
    place.move_to(8)
    assert place.place() == {"position": 8, "own": [9], "header": ""}


def test_another_one_goes_on_from_there() -> None:
    place = behind(5, (7,))
    place.header = "Everything after #5:"
    again = Behind(place.catch_up, **place.place())
    assert again.place() == place.place()
    assert again.said(7)
