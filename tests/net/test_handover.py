"""What outlives a process: connections, what is known of them, and what those are told that cannot go on."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from threadchat.net.handover import VERSION, Handover, Stored
from threadchat.net.ledger import Ledger
from threadchat.net.slots import SLOT_BYTES

STATE = {"server": "lobby", "bytes_in": 0, "slot": None}


class Pair:
    """A TCP connection: ``ours`` is the server's end."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.peer = socket.create_connection(listener.getsockname())
            self.ours, _ = listener.accept()
        self.peer.settimeout(10)

    def close(self) -> None:
        self.peer.close()
        self.ours.close()


@pytest.fixture
def pair() -> Iterator[Pair]:
    pair = Pair()
    yield pair
    pair.close()


@pytest.fixture
def handover() -> Iterator[Handover]:
    handover = Handover.create()
    yield handover
    handover.close()


def successor(handover: Handover) -> Handover:
    """What the next process makes of the descriptors."""
    return Handover.inherit({name: [os.dup(fd) for fd in fds] for name, fds in handover.fds().items()})


def taken_over(handover: Handover) -> tuple[list[Stored], int]:
    next_one = successor(handover)
    found, dismissed = next_one.take_over()
    leave(next_one, found)
    return found, dismissed


def leave(handover: Handover, found: list[Stored]) -> None:
    """End a process that has taken over what it *found*."""
    for stored in found:
        if stored.slot:
            stored.slot.view.release()
    handover.close()


def test_a_connection_and_its_state_are_found_again(handover: Handover, pair: Pair) -> None:
    """Still open, although every descriptor of the process that served it is closed."""
    handover.keep(7, pair.ours, STATE)
    pair.ours.close()
    ((stored,), dismissed) = taken_over(handover)
    with stored.socket:
        stored.socket.sendall(b"hello")
        assert pair.peer.recv(100) == b"hello"
    assert (stored.number, stored.unsent, stored.intact, dismissed) == (7, None, True, 0)
    assert stored.state["server"] == "lobby"


def test_the_last_state_saved_counts(handover: Handover, pair: Pair) -> None:
    kept = handover.keep(1, pair.ours, STATE)
    assert kept
    kept.save({**STATE, "server": "annex"})
    ((stored,), _) = taken_over(handover)
    stored.socket.close()
    assert stored.state["server"] == "annex"


@pytest.mark.parametrize("unsent", [b"", b"the rest\n"])
def test_what_was_unsent_is_found_again(handover: Handover, pair: Pair, unsent: bytes) -> None:
    """Or that there was something, if the process died."""
    kept = handover.keep(1, pair.ours, STATE)
    assert kept
    kept.lags(unsent)
    ((stored,), _) = taken_over(handover)
    stored.socket.close()
    assert stored.unsent == unsent


def test_what_has_been_sent_at_last_is_not_unsent(handover: Handover, pair: Pair) -> None:
    kept = handover.keep(1, pair.ours, STATE)
    assert kept
    kept.lags()
    kept.caught_up()
    ((stored,), _) = taken_over(handover)
    stored.socket.close()
    assert stored.unsent is None


def test_a_forgotten_connection_is_not_found(handover: Handover, pair: Pair) -> None:
    kept = handover.keep(1, pair.ours, STATE)
    assert kept
    kept.forget()
    pair.ours.close()
    assert taken_over(handover) == ([], 0)


@pytest.mark.parametrize(
    "entry", [b"", b"\xff", b"[]", json.dumps({"v": 0, **STATE}).encode(), json.dumps({"v": 999, **STATE}).encode()]
)
def test_whoever_has_an_entry_that_cannot_be_read_is_told(handover: Handover, pair: Pair, entry: bytes) -> None:
    """Politely, in a line of its own."""
    handover.keep(1, pair.ours, STATE)
    handover.ledger.put(1, entry)
    pair.ours.close()
    assert taken_over(handover) == ([], 1)
    said = pair.peer.makefile("rb").read()
    assert said == b"* This server is of another version now, and cannot go on. Please come again!\n"


def test_an_older_entry_is_converted(handover: Handover, pair: Pair) -> None:
    """An upgrade goes on with everybody."""
    handover.keep(1, pair.ours, STATE)
    handover.ledger.put(1, json.dumps({"v": 1, "server": "lobby", "bytes_in": 0}).encode())
    ((stored,), dismissed) = taken_over(handover)
    stored.socket.close()
    assert dismissed == 0
    assert stored.state == {"v": VERSION, **STATE}


def test_a_ledger_that_cannot_be_read_is_replaced(handover: Handover, pair: Pair) -> None:
    """Nothing is known of the connections then, so they are told."""
    handover.keep(1, pair.ours, STATE)
    pair.ours.close()
    fds = {name: [os.dup(fd) for fd in fds] for name, fds in handover.fds().items()}
    (ledger,) = fds["threadchat-ledger"]
    os.pwrite(ledger, bytes(64), 0)
    os.pwrite(ledger, bytes(64), 1 << 30)
    next_one = Handover.inherit(fds)
    assert next_one.is_new
    assert next_one.take_over() == ([], 1)
    next_one.close()
    assert pair.peer.recv(1000).startswith(b"* This server is of another version now")


def test_bytes_that_were_read_and_not_noted_are_noticed(handover: Handover, pair: Pair) -> None:
    """The kernel knows how many were read, by a process that is no more."""
    handover.keep(1, pair.ours, STATE)
    pair.peer.sendall(b"hello world")
    assert pair.ours.recv(5) == b"hello"
    ((stored,), _) = taken_over(handover)
    stored.socket.close()
    assert not stored.intact
    assert stored.state["bytes_in"] == 5


def read_by(handover: Handover, pair: Pair, data: bytes) -> None:
    """Keep a connection whose thread reads *data*, and has not acted on it."""
    slot = handover.slots.take()
    assert handover.keep(1, pair.ours, {**STATE, "slot": slot.number})
    pair.peer.sendall(data)
    while data:
        data = data[pair.ours.recv_into(slot.view) :]
    slot.give_back()


class TestWhatWasRead:
    """And not acted on when the process was replaced."""

    def test_it_is_acted_on_by_the_successor(self, handover: Handover, pair: Pair) -> None:
        read_by(handover, pair, b"hello")
        handover.complete([], None)
        ((stored,), _) = taken_over(handover)
        stored.socket.close()
        assert (stored.unacted, stored.intact, stored.state["bytes_in"]) == (b"hello", True, 0)
        assert stored.planned

    def test_after_a_crash_it_is_lost(self, handover: Handover, pair: Pair) -> None:
        """It may have been acted on, and nothing is said twice."""
        read_by(handover, pair, b"hello")
        ((stored,), _) = taken_over(handover)
        stored.socket.close()
        assert (stored.unacted, stored.intact, stored.state["bytes_in"]) == (b"", False, 5)
        assert not stored.planned

    def test_so_it_is_of_one_that_still_acted_at_the_deadline(self, handover: Handover, pair: Pair) -> None:
        read_by(handover, pair, b"hello")
        handover.complete([1], None)
        ((stored,), _) = taken_over(handover)
        stored.socket.close()
        assert (stored.unacted, stored.intact) == (b"", False)

    def test_a_hand_over_counts_until_somebody_acts(self, handover: Handover, pair: Pair) -> None:
        """A successor that dies before leaves it to the next one; one that has begun does not."""
        read_by(handover, pair, b"hello")
        handover.complete([], None)
        for begun in (False, True):
            next_one = successor(handover)
            ((stored,), _) = next_one.take_over()
            stored.socket.close()
            assert stored.unacted == b"hello"
            if begun:
                next_one.begin()
            leave(next_one, [stored])
        ((stored,), _) = taken_over(handover)
        stored.socket.close()
        assert stored.unacted == b""

    def test_more_than_a_slot_holds_was_acted_on(self, handover: Handover, pair: Pair) -> None:
        """By somebody: nobody parks with so much."""
        read_by(handover, pair, b"x" * (SLOT_BYTES + 1))
        handover.complete([], None)
        ((stored,), _) = taken_over(handover)
        stored.socket.close()
        assert (stored.unacted, stored.intact) == (b"", False)

    def test_without_the_slots_it_is_lost(self, handover: Handover, pair: Pair) -> None:
        """And the connection goes on, with a slot of its own."""
        read_by(handover, pair, b"hello")
        handover.complete([], None)
        fds = {name: [os.dup(fd) for fd in fds] for name, fds in handover.fds().items()}
        os.close(fds.pop("threadchat-slots")[0])
        next_one = Handover.inherit(fds)
        ((stored,), _) = next_one.take_over()
        stored.socket.close()
        assert stored.slot is not None
        leave(next_one, [stored])
        assert (stored.unacted, stored.intact) == (b"", False)


def test_entries_without_a_connection_are_dropped(handover: Handover) -> None:
    """Those whose descriptor was lost."""
    handover.ledger.put(5, b"{}")
    next_one = successor(handover)
    assert next_one.take_over() == ([], 0)
    assert next_one.ledger.entries() == {}
    next_one.close()


def test_nothing_inherited_is_nothing_taken_over() -> None:
    handover = Handover.inherit({})
    assert handover.take_over() == ([], 0)
    assert handover.is_new
    handover.close()


def test_a_connection_that_does_not_fit_has_no_entry(
    handover: Handover, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is served, and ends with the process."""

    def full(*_: Any) -> bool:
        return False

    monkeypatch.setattr("threadchat.net.keeper.Keeper.keep", full)
    assert handover.keep(1, pair.ours, STATE) is None
    assert handover.ledger.entries() == {}
    assert isinstance(handover.ledger, Ledger)
