"""Heartbeats and the watchdog that listens to them."""

from __future__ import annotations

import pytest

from threadchat.process.watchdog import Watchdog


class Dog:
    """Counts how often it was petted."""

    petted = 0

    def pet(self) -> None:
        self.petted += 1


@pytest.fixture
def dog() -> Dog:
    return Dog()


@pytest.fixture
def watchdog(dog: Dog) -> Watchdog:
    return Watchdog(dog.pet, 20.0)


def test_a_loop_that_beats_between_checks_keeps_the_dog_quiet(dog: Dog, watchdog: Watchdog) -> None:
    accept = watchdog.heartbeat("accept")
    for _ in range(3):
        accept.beat()
        assert watchdog.check() == []

    assert dog.petted == 3


def test_a_new_loop_has_one_interval_to_begin(dog: Dog, watchdog: Watchdog) -> None:
    flusher = watchdog.heartbeat("flusher")

    assert watchdog.check() == []
    assert watchdog.check() == [flusher.name]
    assert dog.petted == 1


def test_one_silent_loop_among_many_is_named_and_nothing_is_petted(dog: Dog, watchdog: Watchdog) -> None:
    accept, flusher = watchdog.heartbeat("accept"), watchdog.heartbeat("flusher")
    accept.beat()
    flusher.beat()
    watchdog.check()
    accept.beat()

    assert watchdog.check() == ["flusher"]
    assert dog.petted == 1


def test_a_loop_that_was_late_is_forgiven_when_it_beats_again(dog: Dog, watchdog: Watchdog) -> None:
    flusher = watchdog.heartbeat("flusher")
    watchdog.check()
    watchdog.check()
    flusher.beat()

    assert watchdog.check() == []
    assert dog.petted == 2


def test_a_resting_deliverer_need_not_beat(dog: Dog, watchdog: Watchdog) -> None:
    room = watchdog.heartbeat("deliverer of lobby")
    room.beat()
    room.rest()
    for _ in range(3):
        assert watchdog.check() == []

    assert dog.petted == 3


def test_a_deliverer_that_hangs_in_its_work_is_silent(dog: Dog, watchdog: Watchdog) -> None:
    room = watchdog.heartbeat("deliverer of lobby")
    room.rest()
    watchdog.check()
    room.beat()  # a batch begins, and never ends

    assert watchdog.check() == []
    assert watchdog.check() == ["deliverer of lobby"]
    assert watchdog.check() == ["deliverer of lobby"]
    assert dog.petted == 2


def test_a_loop_that_has_ended_is_not_missed(watchdog: Watchdog) -> None:
    accept = watchdog.heartbeat("accept")
    watchdog.check()
    del accept

    assert watchdog.check() == []


def test_checks_leave_room_for_being_late_once() -> None:
    assert Watchdog(lambda: None, 20.0).interval_seconds == 5.0
    assert Watchdog(lambda: None, None).interval_seconds is None
