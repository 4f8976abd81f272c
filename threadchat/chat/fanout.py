"""
Fan-out: one order of messages for many receivers, sent by one of the threads that have something to say.

Such a thread appends its message to the pending list. If there is a deliverer already, the thread goes straight back to
reading: the deliverer sends the message. If there is none, the thread becomes the deliverer. It takes all that is
pending as one batch, sends it to every member with one call each, and looks again (flat combining, Hendler et al. 2010;
ergo's elected writer, one level up). Under load the batches grow by themselves. Otherwise a message goes out at once.

The fan-out does not know how a batch is sent: it is given a function for that. :func:`send_batch` is the one for plain
bytes. A chat room has one of its own (delivery.py).

A member can be *paused*: batches pass it by. It is *resumed* once it has everything up to the last batch taken.

Callable from any thread. ``_lock`` guards memory only; no member is called while it is held. Not here:
sockets, wording, who may say what.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sized
from itertools import islice
from typing import Generic, NamedTuple, Protocol, TypeVar

from threadchat.base.heartbeat import Heartbeat

#: Once this much is pending, a talker waits for the deliverer, and is not read meanwhile. So talkers that are faster
#: than delivery are slowed down, instead of filling the memory.
HIGH_WATER_BYTES = 4 * 1024 * 1024

#: How often a deliverer yields, at most, to let others speak first.
MAX_YIELDS = 8


class Receiver(Protocol):
    """What :func:`send_batch` needs of a member."""

    def send(self, data: bytes, /) -> None:
        """Send *data* or queue it; never blocks, never raises."""


M = TypeVar("M")
R = TypeVar("R", bound=Receiver)


class Message(NamedTuple, Generic[R]):
    """Bytes for every member except the author, who knows them already."""

    author: R | None
    data: bytes


class Item(Protocol):
    """What is posted. The size of ``data`` counts against the high-water mark."""

    @property
    def data(self) -> Sized:
        """What is to be sent, or what it is made from."""


I = TypeVar("I", bound=Item)  # noqa: E741, an item


class Fanout(Generic[M, I]):
    """
    The members of one room (or one broadcast listener) and what is on its way to them.

    *deliver* sends a batch of items to members; it is called by one thread at a time, with no lock held.
    """

    def __init__(self, deliver: Callable[[list[I], tuple[M, ...]], None], heartbeat: Heartbeat | None = None) -> None:
        self._deliver = deliver
        #: The deliverer's heartbeat, whichever thread that is. It beats for every batch.
        self._heartbeat = heartbeat or Heartbeat("deliverer")
        self._heartbeat.rest()
        #: Messages taken for delivery so far.
        self.taken = 0
        self._lock = threading.Lock()
        self._taken = threading.Condition(self._lock)  # for talkers over the high-water mark
        self._delivering = False  # some thread is the deliverer
        self._members: dict[M, None] = {}
        self._paused: set[M] = set()
        self._snapshot: tuple[M, ...] | None = ()
        self._pending: list[I] = []
        self._pending_bytes = 0
        self._last: I | None = None  # the last item of the batch that was taken last

    def __len__(self) -> int:
        return len(self._members)

    def add(self, member: M, *, paused: bool = False) -> None:
        """Make *member* a receiver from the next batch on, or, if *paused*, once it is resumed."""
        with self._lock:
            self._members[member] = None
            if paused:
                self._paused.add(member)
            self._snapshot = None

    def discard(self, member: M) -> None:
        """Remove *member* from the receivers. A batch that is on its way already may still reach it."""
        with self._lock:
            self._members.pop(member, None)
            self._paused.discard(member)
            self._snapshot = None

    def pause(self, member: M) -> bool:
        """Let batches pass *member* by, from the next one on; return whether it is a member."""
        with self._lock:
            if member in self._members:
                self._paused.add(member)
                self._snapshot = None
            return member in self._members

    def resume(self, member: M, is_next: Callable[[I | None], bool]) -> bool:
        """
        Let *member* receive the next batch again, if *is_next* says that it has everything up to the last one.

        *is_next* gets the last item of the batch that was taken last; None if none was. Return whether *member* is not
        paused now.
        """
        with self._lock:
            if member in self._paused and is_next(self._last):
                self._paused.discard(member)
                self._snapshot = None
            return member not in self._paused

    def glance(self, most: int) -> tuple[list[M], int]:
        """Return the first *most* members, and how many there are in all."""
        with self._lock:
            return list(islice(self._members, most)), len(self._members)

    def members(self) -> tuple[M, ...]:
        """Return the members, in the order they came."""
        with self._lock:
            return tuple(self._members)

    def post(self, *items: I) -> None:
        """Send *items*, in order, after all that was posted before. May deliver what others have posted."""
        elected = False
        for item in items:
            elected |= self.append(item, len(item.data))
        self.deliver(elected)

    def append(self, item: I, size: int) -> bool:
        """
        Give *item* its place in the order. Nothing is sent yet: call :meth:`deliver` next, with the result.

        The *size* counts against the high-water mark. The result is whether the calling thread has become the
        deliverer. It stays the deliverer until it finds nothing pending. It checks that under the lock that others
        append under. So nothing can be left behind in between.
        """
        with self._lock:
            self._pending.append(item)
            self._pending_bytes += size
            elected = not self._delivering
            self._delivering = True
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
                self._deliver(*taken)
        except BaseException:  # a bug; but it must not cost the room its deliverer
            with self._lock:
                self._heartbeat.rest()
                self._delivering = False
                self._taken.notify_all()
            raise

    def _take(self) -> tuple[list[I], tuple[M, ...]] | None:
        """
        Take what is pending, and the members that it is for. A member that is added later gets none of it.

        If nothing is pending, the calling thread stops being the deliverer.
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
            self._last = batch[-1]
            return batch, self._current()

    def _gather(self) -> None:
        """
        Let threads speak that are about to, so that their lines go with this batch instead of one of their own.

        Yields the processor to threads that have returned from their reads and wait for a turn, as long as they add
        items. Without such threads, it costs one system call. (The count is read without the lock: it is a hint.)
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
            self._snapshot = tuple(member for member in self._members if member not in self._paused)
        return self._snapshot


#: A fan-out that sends bytes as they are.
ByteFanout = Fanout[R, Message[R]]


def send_batch(batch: list[Message[R]], members: tuple[R, ...]) -> None:
    """Send *batch* to *members*, in one piece each. An author's piece is without their own messages."""
    whole = b"".join([message.data for message in batch])
    own: dict[R, list[tuple[int, int]]] = {}
    start = 0
    for message in batch:
        end = start + len(message.data)
        if message.author is not None:
            own.setdefault(message.author, []).append((start, end))
        start = end
    for member in members:
        data = whole if member not in own else without(whole, own[member])
        if data:
            member.send(data)


def without(data: bytes, spans: list[tuple[int, int]]) -> bytes:
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
