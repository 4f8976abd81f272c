from __future__ import annotations

from threadchat.client.own_lines import ECHO_SECONDS, OwnLines


class Clock:
    """A clock that is set by hand."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_line_is_an_echo_once_for_each_time_it_was_said() -> None:
    own = OwnLines(Clock())
    own.said("John: Hi")
    own.said("John: Hi")

    assert [own.is_echo("John: Hi") for _ in range(3)] == [True, True, False]


def test_what_differs_is_no_echo() -> None:
    own = OwnLines(Clock())
    own.said("John: Hi")

    assert not own.is_echo("user:4> John: Hi")
    assert not own.is_echo("John: hi")


def test_an_action_has_one_star_in_older_servers() -> None:
    own = OwnLines(Clock())
    own.said("** John waves")
    own.said("** John waves")

    assert [own.is_echo(line) for line in ("* John waves", "** John waves", "* John waves")] == [True, True, False]


def test_lines_may_come_back_in_another_order() -> None:
    own = OwnLines(Clock())
    own.said("John: one")
    own.said("John: two")

    assert own.is_echo("John: two")
    assert own.is_echo("John: one")


def test_the_same_line_much_later_is_somebody_elses() -> None:
    clock = Clock()
    own = OwnLines(clock)
    own.said("John: Hi")
    clock.now += ECHO_SECONDS + 0.1

    assert not own.is_echo("John: Hi")
