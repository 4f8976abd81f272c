"""Why connections end, and what the exceptions say."""

from __future__ import annotations

import errno

import pytest

from threadchat.base.errors import ChatError, CloseReason, ConfigError, ListenError, ThreadchatError, WireError


@pytest.mark.parametrize("kind", [ChatError, ListenError, WireError, ConfigError])
def test_everything_raised_on_purpose_has_one_root(kind: type[Exception]) -> None:
    """So that a caller can tell it from a bug."""
    assert issubclass(kind, ThreadchatError)


def test_a_config_error_lists_all_problems() -> None:
    """One line each."""
    error = ConfigError(["a: wrong", "b: wrong, too"])
    assert error.problems == ("a: wrong", "b: wrong, too")
    assert str(error).splitlines() == ["a: wrong", "b: wrong, too"]


def test_only_the_graceful_ends_are_worth_a_last_flush() -> None:
    """Nobody waits for a peer that has gone, that does not read, or that a bug has met."""
    abrupt = {reason for reason in CloseReason if not reason.graceful}
    assert abrupt == {
        CloseReason.RESET,
        CloseReason.VANISHED,
        CloseReason.SLOW_CONSUMER_BYTES,
        CloseReason.SLOW_CONSUMER_TIME,
        CloseReason.ERROR,
    }


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ECONNRESET, CloseReason.RESET),
        (errno.EPIPE, CloseReason.RESET),
        (errno.ETIMEDOUT, CloseReason.VANISHED),
        (errno.EHOSTUNREACH, CloseReason.VANISHED),
    ],
)
def test_a_program_that_ends_and_a_machine_that_vanishes_are_told_apart(number: int, reason: CloseReason) -> None:
    """By what reading from them says."""
    assert CloseReason.of(OSError(number, "")) is reason


def test_each_reason_is_a_text_of_its_own() -> None:
    """It is what the closing log line says."""
    assert len({reason.value for reason in CloseReason}) == len(CloseReason)
