"""The last number of a room survives whatever becomes of the database."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.history.places import fill, small_disk
from threadchat.history.numbers import SPARE_SLOTS, Numbers, digest_of

LOBBY, DEN = digest_of("lobby"), digest_of("den")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "numbers"


@pytest.fixture
def numbers(path: Path) -> Iterator[Numbers]:
    numbers = Numbers(path)
    yield numbers
    numbers.close()


def reread(numbers: Numbers, *digests: bytes) -> list[int]:
    """Return what a successor would find."""
    successor = Numbers(numbers.path)
    successor.close()
    return [successor.last(digest) for digest in digests]


def test_the_last_one_is_found_again(numbers: Numbers) -> None:
    numbers.use(LOBBY, 1)
    numbers.use(DEN, 7)
    numbers.use(LOBBY, 2**39)
    assert (numbers.last(LOBBY), numbers.last(DEN), numbers.last(digest_of("attic"))) == (2**39, 7, 0)
    assert reread(numbers, LOBBY, DEN) == [2**39, 7]


def test_a_full_disk_is_no_obstacle(tmp_path: Path) -> None:
    """Neither for old rooms, nor for a thousand new ones."""
    with small_disk(tmp_path / "disk") as disk:
        numbers = Numbers(disk / "numbers")
        numbers.use(LOBBY, 1)
        fill(disk)
        numbers.make_room()
        numbers.use(LOBBY, 2)
        rooms = [digest_of(f"{number}") for number in range(SPARE_SLOTS - 1)]
        for number, room in enumerate(rooms):
            numbers.use(room, number + 1)
        assert reread(numbers, LOBBY, *rooms) == [2, *range(1, SPARE_SLOTS)]
        for number in range(1000):  # for which there is no room
            numbers.use(digest_of(f"late {number}"), 1)
        assert numbers.last(digest_of("late 999")) == 1
        assert reread(numbers, LOBBY) == [2]
        numbers.close()


def test_there_is_always_room_for_new_rooms(numbers: Numbers) -> None:
    for number in range(10):
        numbers.use(digest_of(f"{number}"), 1)
    numbers.make_room()
    assert numbers.path.stat().st_blocks * 512 >= (SPARE_SLOTS + 11) * 32


def test_another_file_is_replaced(path: Path) -> None:
    path.write_bytes(os.urandom(1000))
    numbers = Numbers(path)
    assert numbers.last(LOBBY) == 0
    numbers.use(LOBBY, 3)
    assert reread(numbers, LOBBY) == [3]
    numbers.close()


@pytest.mark.parametrize("size", [0, 10, 40, 90])
def test_a_file_that_ends_early_is_read_as_far_as_it_goes(path: Path, size: int) -> None:
    numbers = Numbers(path)
    numbers.use(LOBBY, 3)
    numbers.use(DEN, 4)
    numbers.close()
    os.truncate(path, size)
    again = Numbers(path)
    assert [again.last(LOBBY), again.last(DEN)] == ([3, 0] if size == 90 else [0, 0])
    again.use(DEN, 5)
    again.close()
    assert reread(again, DEN) == [5]


def test_a_number_that_cannot_be_is_none(numbers: Numbers) -> None:
    numbers.use(LOBBY, 2**50)
    assert reread(numbers, LOBBY) == [0]


def test_how_the_database_was_left_is_known_once(path: Path) -> None:
    """A process that ends otherwise leaves no such word."""
    Numbers(path).close("as it was")
    numbers = Numbers(path)
    assert numbers.was_left("as it was")
    assert not numbers.was_left("otherwise")
    again = Numbers(path)
    assert not again.was_left("as it was")
    numbers.close()
    again.close()


def test_it_notices_that_it_is_gone(numbers: Numbers) -> None:
    assert numbers.is_in_place()
    numbers.path.unlink()
    assert not numbers.is_in_place()
    numbers.path.touch()
    assert not numbers.is_in_place()


def test_once_closed_it_writes_nowhere(path: Path, tmp_path: Path) -> None:
    """Its descriptor may be another file's by then."""
    numbers = Numbers(path)
    numbers.use(LOBBY, 1)
    numbers.close()
    with (tmp_path / "other").open("wb"):
        numbers.use(LOBBY, 2)
    assert (tmp_path / "other").read_bytes() == b""
    assert numbers.last(LOBBY) == 2
