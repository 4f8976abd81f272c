"""
What outlives this process: the connections (keeper.py), the state that is needed to go on with each (ledger.py), and
the bytes that were just being read (slots.py).

Every connection has an entry in the ledger: JSON with a version. Its own thread writes the entry whenever the state
changes: with a name, a room, an unfinished line, but not with every line. While its receiver lags behind, the
connection has a second entry, written under its send lock. This entry holds the bytes that are still to be sent. If it
is empty, they were lost with the process.

A planned hand-over ends with one entry for all connections: :meth:`Handover.complete`. With that entry, the bytes that
the kernel says were read from a connection, but that the connection's own entry does not count, are in its slot and
were not acted on. After a crash there is no such entry, and nobody can say how much of a slot was acted on.

A successor calls :meth:`Handover.take_over` once, before anything else. Any thread may call :meth:`Handover.keep`. The
methods of :class:`Kept` say who may call them. Not here: how the descriptors travel (process/systemd.py), and the order
in which the connections are resumed (daemon.py).
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from pydantic_core import from_json  # three times as fast as json, and every connection waits for it

from threadchat.base.errors import LedgerError
from threadchat.net.keeper import Keeper
from threadchat.net.ledger import Ledger
from threadchat.net.slots import SLOT_BYTES, Slot, Slots
from threadchat.net.tcp import consumed_bytes, thaw

#: The version of the entries. A change that an older reader would misunderstand needs a new number, and
#: a function in _CONVERSIONS that converts entries of the version before.
VERSION = 3
_CONVERSIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {
    1: lambda state: state | {"v": 2},  # had a telnet state even if no telnet command had come
    2: lambda state: state | {"v": 3, "slot": None},
}
_SLOTS_SINCE = 3

#: The names of the descriptors: in systemd's descriptor store, and for the next image of this process.
QUEUE_NAME, LEDGER_NAME, SLOTS_NAME = NAMES = "threadchat-queue", "threadchat-ledger", "threadchat-slots"

#: Not pydantic_core.to_json: that takes half the time, but 8 KiB more of the stack of every connection's thread.
_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode

#: This bit is set in the id of an entry that holds unsent bytes.
_UNSENT = 1 << 63

#: The id of the entry for the chat's state, which belongs to no single connection.
_CHAT = 1 << 61

#: The id of the entry that a planned hand-over ends with: a list of the connections that still acted then.
_COMPLETE = 1 << 62


T = TypeVar("T", Ledger, Slots)


class Stored(NamedTuple):
    """A connection that a predecessor has left. ``state`` is what that process has saved of it and of its app."""

    number: int
    socket: socket.socket
    state: dict[str, Any]
    intact: bool  # no byte is lost that was read since the state was saved
    unsent: bytes | None = None  # None: nothing is unsent; b"": the unsent bytes are lost
    unacted: bytes = b""  # read since the state was saved, and not acted on
    slot: Slot | None = None
    planned: bool = False  # the state was saved last of all, and nothing has happened to the connection since

    def dismiss(self, text: str) -> None:
        """Tell the peer why it cannot be served any longer, and close."""
        line_end = b"" if self.unsent is None else b"\n"
        with contextlib.suppress(OSError):
            self.socket.send(line_end + f"* {text}\n".encode(), socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)  # the kept copy would hold it open
        self.socket.close()
        if self.slot:
            self.slot.give_back()


class Kept:
    """One connection's entries. Nothing here raises: a connection is served even if its state cannot be saved."""

    __slots__ = ("_handover", "_number")

    def __init__(self, handover: Handover, number: int) -> None:
        self._handover = handover
        self._number = number

    def save(self, state: Mapping[str, Any]) -> None:
        """Replace the connection's entry. For its own thread, or for another one while that thread is parked."""
        with contextlib.suppress(LedgerError):
            self._handover.ledger.put(self._number, _encode({"v": VERSION, **state}).encode())

    def lags(self, unsent: bytes = b"") -> None:
        """Note that bytes are unsent: *unsent*, or unknown ones if that is empty. Caller holds the send lock."""
        with contextlib.suppress(LedgerError):
            self._handover.ledger.put(_UNSENT | self._number, unsent)

    def caught_up(self) -> None:
        """Note that all has been sent. Caller holds the send lock."""
        self._handover.ledger.remove(_UNSENT | self._number)

    def forget(self) -> None:
        """Let go of the connection, just before its descriptor is closed."""
        self._handover.forget(self._number)


class Handover:
    """Holds the connections of this process where the next process finds them."""

    def __init__(self, keeper: Keeper, ledger: Ledger, slots: Slots, is_new: bool) -> None:
        self._keeper = keeper
        self.ledger = ledger
        self.slots = slots
        self.is_new = is_new  # the ledger was made by this process
        self.chat_state: Any = None  # the chat's state, from a predecessor; None: there is none

    @classmethod
    def create(cls) -> Handover:
        """Return an empty hand-over."""
        return cls(Keeper.create(), Ledger.create(), Slots.create(), is_new=True)

    @classmethod
    def inherit(cls, fds: Mapping[str, Sequence[int]]) -> Handover:
        """
        Return the hand-over whose :meth:`fds` a predecessor has left, or else an empty one.

        A ledger that cannot be read is replaced by an empty one: then nothing is known of the connections.
        """
        if len(ends := fds.get(QUEUE_NAME, ())) != 2:
            return cls.create()
        ledger = _adopt(Ledger, fds.get(LEDGER_NAME, ()))
        slots = _adopt(Slots, fds.get(SLOTS_NAME, ()))
        if ledger and not slots:  # the predecessor had none, or slots of another size
            ledger.remove(_COMPLETE)
        return cls(Keeper.adopt(ends), ledger or Ledger.create(), slots or Slots.create(), is_new=not ledger)

    def fds(self) -> dict[str, list[int]]:
        """Return the descriptors that a successor needs, by name."""
        return dict(zip(NAMES, (list(self._keeper.ends), [self.ledger.fd], [self.slots.fd]), strict=True))

    def keep(self, number: int, sock: socket.socket, state: Mapping[str, Any]) -> Kept | None:
        """Keep a connection. Return None if there is no room. *number* is unique as long as the queue lives."""
        kept = Kept(self, number)
        kept.save(state)  # first: a socket without an entry would be of no use
        if self._keeper.keep(number, sock):
            return kept
        self.ledger.remove(number)
        return None

    def forget(self, number: int) -> None:
        """Let go of connection *number*."""
        self._keeper.forget(number)
        self.ledger.remove(number)
        self.ledger.remove(_UNSENT | number)

    def take_over(self) -> tuple[list[Stored], int]:
        """
        Return the connections that a predecessor has left, in the order they came, and how many were dismissed.

        A connection is dismissed if this version cannot read its entry, or the whole ledger.
        """
        sockets, entries = self._keeper.drain(), self.ledger.entries()
        complete = entries.pop(_COMPLETE, None)
        self.chat_state = from_json(entries.pop(_CHAT, b"null"))
        acting: set[int] | None = None if complete is None else set(from_json(complete))
        for number in entries.keys() - sockets.keys() - {_UNSENT | number for number in sockets}:
            self.ledger.remove(number)
        states: dict[int, dict[str, Any] | None] = {}
        for number in sorted(sockets):
            if number in entries or self.is_new:
                states[number] = _read(entries.get(number, b""), sockets[number])
            else:  # forgotten, but its copy was still in the queue
                self.forget(number)
                sockets[number].close()
        self.slots.reserve(state["slot"] for state in states.values() if state and state["slot"] is not None)
        found, dismissed = [], 0
        for number, state in states.items():
            sock, unsent = sockets[number], entries.get(_UNSENT | number)
            if state is None:
                stored = Stored(number, sock, {}, False, unsent)
                self.dismiss(stored, "This server is of another version now, and cannot go on. Please come again!")
                dismissed += 1
                continue
            slot = self.slots.take() if state["slot"] is None else self.slots.slot(state["slot"])
            read = consumed_bytes(sock, state["bytes_in"]) - state["bytes_in"]
            if acting is not None and number not in acting and 0 <= read <= SLOT_BYTES:
                found.append(Stored(number, sock, state, True, unsent, slot.content(read), slot, planned=True))
            else:
                state["bytes_in"] += read
                found.append(Stored(number, sock, state, not read, unsent, b"", slot))
        return found, dismissed

    def complete(self, acting: Iterable[int], chat_state: Any) -> None:
        """
        Note that the entries of all connections include everything that was acted on, except for those that still act.

        *acting* are the numbers of these. *chat_state* is what a successor must know beside the connections.
        """
        with contextlib.suppress(LedgerError):
            self.ledger.put(_CHAT, _encode(chat_state).encode())
            self.ledger.put(_COMPLETE, _encode(list(acting)).encode())

    def begin(self) -> None:
        """Undo :meth:`complete`: from now on, connections are acted on."""
        self.ledger.remove(_COMPLETE)
        self.ledger.remove(_CHAT)

    def kept(self, stored: Stored) -> Kept:
        """Return the entries of a connection that has been taken over."""
        return Kept(self, stored.number)

    def dismiss(self, stored: Stored, text: str) -> None:
        """Let go of a stored connection, and tell its peer why."""
        self.forget(stored.number)
        stored.dismiss(text)

    def close(self) -> None:
        """Let go of everything. What is also held elsewhere stays open."""
        self._keeper.close()
        self.ledger.close()
        self.slots.close()


def _adopt(kind: type[T], fds: Sequence[int]) -> T | None:
    """Return the memory that is inherited as the first of *fds*, or None. If it cannot be read, it is closed."""
    for fd in fds[:1]:
        try:
            return kind(fd)
        except LedgerError:
            os.close(fd)
    return None


def _read(entry: bytes, sock: socket.socket) -> dict[str, Any] | None:
    """Return an entry's state, converted to this version; None if it cannot be read."""
    try:
        state = from_json(entry)
        if state["v"] < _SLOTS_SINCE:
            thaw(sock)
        while state["v"] != VERSION:
            state = _CONVERSIONS[state["v"]](state)
    except (ValueError, KeyError, TypeError):
        return None
    return dict(state)
