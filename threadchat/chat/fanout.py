"""
Fan-out: one order of messages for many receivers, sent by whoever happens to be there.

A thread that has something to say appends it to the pending list, and becomes the deliverer unless another
one is. Losers go straight back to reading: what they said is in good hands. The winner takes all
that is pending as one batch, sends it to every member with one call each, and looks again (flat combining,
Hendler et al. 2010; ergo's elected writer, one level up). Under load batches grow by themselves; alone,
a message goes out at once.

Callable from any thread. ``_lock`` guards memory only; no member is called while it is held. Not here:
sockets, wording, who may say what.
"""

from __future__ import annotations

import os
import threading
from itertools import islice
from typing import Generic, NamedTuple, Protocol, TypeVar

from threadchat.base.heartbeat import Heartbeat

#: A talker waits for the deliverer once this much is pending, so that talkers faster than
#: delivery are slowed (by not being read) instead of filling the memory.
HIGH_WATER_BYTES = 4 * 1024 * 1024

#: How often a deliverer yields to let others speak first.
MAX_YIELDS = 8


class Receiver(Protocol):
    """What a fan-out needs of a member."""

    #: Whether lines end in CRLF for this member (a telnet client) instead of LF.
    crlf: bool

    def send(self, data: bytes, /) -> None:
        """Send *data* or queue it; never blocks, never raises."""


M = TypeVar("M", bound=Receiver)


class Message(NamedTuple, Generic[M]):
    """Bytes for every member but the author, who knows what they said."""

    author: M | None
    data: bytes


class Fanout(Generic[M]):
    """The members of one room (or one broadcast listener) and what is on its way to them."""

    def __init__(self, heartbeat: Heartbeat | None = None) -> None:
        #: Beats for every batch: the deliverer's, whoever that is.
        self._heartbeat = heartbeat or Heartbeat("deliverer")
        self._heartbeat.rest()
        #: Messages taken for delivery so far.
        self.taken = 0
        self._lock = threading.Lock()
        self._taken = threading.Condition(self._lock)  # for talkers over the high-water mark
        self._delivering = False  # some thread is the deliverer
        self._members: dict[M, None] = {}
        self._snapshot: tuple[M, ...] | None = ()
        self._pending: list[Message[M]] = []
        self._pending_bytes = 0

    def __len__(self) -> int:
        return len(self._members)

    def add(self, member: M) -> None:
        """Make *member* a receiver of everything that is posted from now on."""
        with self._lock:
            self._members[member] = None
            self._snapshot = None

    def discard(self, member: M) -> None:
        """Make *member* a receiver no longer. A batch already on its way may still reach it."""
        with self._lock:
            self._members.pop(member, None)
            self._snapshot = None

    def glance(self, most: int) -> tuple[list[M], int]:
        """Return the first *most* members, and how many there are in all."""
        with self._lock:
            return list(islice(self._members, most)), len(self._members)

    def members(self) -> tuple[M, ...]:
        """Return the members, in the order they came."""
        with self._lock:
            return self._current()

    def post(self, *messages: Message[M]) -> None:
        """Send *messages*, one after the other, after all that was posted before. May deliver for others."""
        self.deliver(self.append(*messages))

    def append(self, *messages: Message[M]) -> bool:
        """
        Give *messages* their place in the order. Memory only: :meth:`deliver` has to be called next, with the result.

        That is whether the calling thread has become the deliverer. Nobody else delivers until it finds nothing
        pending, under the same lock that others append under; so nothing can be left behind in between.
        """
        with self._lock:
            self._pending += messages
            for message in messages:
                self._pending_bytes += len(message.data)
            elected = not self._delivering and bool(self._pending)
            self._delivering |= elected
            return elected

    def deliver(self, elected: bool) -> None:
        """Send what is pending, if this thread was *elected* to. Otherwise return, once not too much is pending."""
        if not elected:
            if self._pending_bytes > HIGH_WATER_BYTES:
                with self._lock:
                    self._taken.wait_for(lambda: self._pending_bytes <= HIGH_WATER_BYTES or not self._delivering)
            return
        try:
            while taken := self._take():
                send_batch(*taken)
        except BaseException:  # a bug; but it must not cost the room its deliverer
            with self._lock:
                self._heartbeat.rest()
                self._delivering = False
                self._taken.notify_all()
            raise

    def _take(self) -> tuple[list[Message[M]], tuple[M, ...]] | None:
        """
        Take what is pending, and the members it is for: who joins later gets nothing said before.

        With nothing pending the calling thread is the deliverer no longer.
        """
        self._gather()
        with self._lock:
            if not self._pending:
                self._heartbeat.rest()
                self._delivering = False
                return None
            self._heartbeat.beat()
            self.taken += len(self._pending)
            if self._pending_bytes > HIGH_WATER_BYTES:
                self._taken.notify_all()
            batch, self._pending, self._pending_bytes = self._pending, [], 0
            return batch, self._current()

    def _gather(self) -> None:
        """
        Let those speak who are about to, so that their lines go with this batch instead of one of their own.

        Yields the processor as long as that brings something: others who have returned from their reads, and
        wait for a turn, take it. Alone, it costs one system call. (The count is read without the lock: it is a hint.)
        """
        count = 0
        for _ in range(MAX_YIELDS):
            if len(self._pending) == count:
                return
            count = len(self._pending)
            os.sched_yield()

    def _current(self) -> tuple[M, ...]:
        """Return the member snapshot, rebuilt only when needed. Caller holds the lock."""
        if self._snapshot is None:
            self._snapshot = tuple(self._members)
        return self._snapshot


def send_batch(batch: list[Message[M]], members: tuple[M, ...]) -> None:
    """Send *batch* to *members*, one piece each; an author's piece is without their own messages."""
    whole = b"".join([message.data for message in batch])
    own: dict[M | None, list[tuple[int, int]]] = {}
    start = 0
    for message in batch:
        end = start + len(message.data)
        if message.author is not None:
            own.setdefault(message.author, []).append((start, end))
        start = end
    whole_crlf = b""
    for member in members:
        data = whole if member not in own else _without(whole, own[member])
        if member.crlf:
            if data is whole:
                data = whole_crlf = whole_crlf or to_crlf(whole)
            else:
                data = to_crlf(data)
        if data:
            member.send(data)


def to_crlf(data: bytes) -> bytes:
    """Return LF-ended lines CRLF-ended."""
    return data.replace(b"\n", b"\r\n")


def _without(data: bytes, spans: list[tuple[int, int]]) -> bytes:
    """Return *data* without *spans*, which are in order and do not overlap."""
    if len(spans) == 1:
        ((start, end),) = spans
        return data[:start] + data[end:]
    pieces = []
    position = 0
    for start, end in spans:
        pieces.append(data[position:start])
        position = end
    pieces.append(data[position:])
    return b"".join(pieces)
