"""One pulse, by itself. Who listens to several: tests/process/test_watchdog.py."""

from __future__ import annotations

from threadchat.base.heartbeat import Heartbeat


def test_a_heart_that_has_not_beaten_since_the_last_look_is_silent() -> None:
    heartbeat = Heartbeat("loop")
    assert not heartbeat.silent()  # it has just begun
    assert heartbeat.silent()
    heartbeat.beat()
    assert not heartbeat.silent()


def test_a_resting_heart_owes_nothing_until_it_beats_again() -> None:
    heartbeat = Heartbeat("deliverer")
    heartbeat.beat()
    heartbeat.rest()
    assert [heartbeat.silent() for _ in range(3)] == [False] * 3
    heartbeat.beat()
    assert [heartbeat.silent() for _ in range(2)] == [False, True]
