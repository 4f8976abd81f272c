"""Memory for what is being read: whose it is, and that it outlives its owner."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from threadchat.base.errors import LedgerError
from threadchat.net import slots as slots_module
from threadchat.net.slots import SLOT_BYTES, Slot, Slots


@pytest.fixture
def slots() -> Iterator[Slots]:
    slots = Slots.create()
    yield slots
    slots.close()


def taken(slots: Slots, count: int) -> list[int | None]:
    """Take *count* slots; return their numbers."""
    numbers = []
    for _ in range(count):
        slot = slots.take()
        slot.view.release()
        numbers.append(slot.number)
    return numbers


def test_what_is_read_into_a_slot_is_there_for_whoever_inherits_it(slots: Slots) -> None:
    ours, peer = socket.socketpair()
    with ours, peer:
        peer.send(b"hello")
        slots.take().give_back()
        slot = slots.take()
        ours.recv_into(slot.view)
        slot.view.release()
    heir = Slots(os.dup(slots.fd))
    assert slot.number is not None
    inherited = heir.slot(slot.number)
    assert inherited.content(5) == b"hello"
    inherited.view.release()
    heir.close()


def test_a_slot_has_one_owner(slots: Slots) -> None:
    """One that is given back is taken again."""
    first, second = slots.take(), slots.take()
    assert first.number != second.number
    first.view[:] = b"1" * SLOT_BYTES
    second.view[:] = b"2" * SLOT_BYTES
    assert (first.content(SLOT_BYTES), second.content(1)) == (b"1" * SLOT_BYTES, b"2")
    first.give_back()
    third = slots.take()
    assert third.number == first.number
    for slot in (second, third):
        slot.give_back()


def test_those_of_a_predecessor_are_not_given_to_others(slots: Slots) -> None:
    slots.reserve([1, 3])
    assert sorted(number or 0 for number in taken(slots, 4)) == [0, 2, 4, 5]


def test_when_there_is_none_left_it_is_a_private_one(slots: Slots, monkeypatch: pytest.MonkeyPatch) -> None:
    """That connection is served, and ends with the process."""
    monkeypatch.setattr(slots_module, "_COUNT", 2)
    assert taken(slots, 2) == [0, 1]
    slot = slots.take()
    assert slot.number is None
    slot.view[:5] = b"hello"
    assert slot.content(5) == b"hello"
    slot.give_back()


@pytest.mark.parametrize("number", [-1, 1 << 17])
def test_there_is_no_slot_outside(slots: Slots, number: int) -> None:
    with pytest.raises(LedgerError):
        slots.slot(number)


def test_what_is_something_else_is_refused() -> None:
    fd = os.memfd_create("something else")
    with pytest.raises(LedgerError):
        Slots(fd)
    os.close(fd)


def test_closing_while_somebody_reads_leaves_that_alone(slots: Slots) -> None:
    """The process ends anyway."""
    slot = slots.take()
    slots.close()
    slot.view[:2] = b"ok"
    assert slot.content(2) == b"ok"
    slot.give_back()


def test_a_private_slot_is_nobody_elses() -> None:
    slot = Slot.private()
    slot.view[:2] = b"hi"
    assert (slot.content(2), slot.number) == (b"hi", None)
    slot.give_back()
