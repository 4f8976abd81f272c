"""
Slots: shared memory for what was just read. Each connection has one, and it outlives the process.

Every read of a connection begins in its slot. The kernel puts the bytes there before the thread knows of them. If the
process is replaced before the thread can act on them, they are still there. The successor inherits the memory (a
memfd). It compares the number of bytes that the kernel says were read with the number of bytes that were acted on, and
takes the difference from the slot.

Any thread may call ``take`` and ``give_back``. The one lock is a leaf: no other lock is taken under it. A slot belongs
to one connection. Eight connections share a page of memory, which is used only once one of them has read something.
"""

from __future__ import annotations

import mmap
import os
import threading
from collections.abc import Iterable

from threadchat.base.errors import LedgerError

#: The size of a slot: the most that one read puts into it.
SLOT_BYTES = 512
#: The number of slots. One that nobody has touched costs address space only.
_COUNT = 1 << 17


class Slot:
    """The memory for one connection's next read. ``number`` is None if the memory ends with this process."""

    __slots__ = ("_at", "_memory", "_slots", "number", "view")

    def __init__(self, memory: mmap.mmap, at: int, number: int | None, slots: Slots | None = None) -> None:
        self._memory = memory
        self._slots = slots
        self._at = at
        self.number = number
        #: The buffer to read into.
        self.view = memoryview(memory)[at : at + SLOT_BYTES]

    @classmethod
    def private(cls) -> Slot:
        """Return a slot that no successor inherits."""
        return cls(mmap.mmap(-1, SLOT_BYTES), 0, None)

    def content(self, count: int) -> bytes:
        """Return the first *count* bytes."""
        return self._memory[self._at : self._at + count]

    def give_back(self) -> None:
        """Free the slot. Nobody may read into it any longer."""
        self.view.release()
        if self._slots and self.number is not None:
            self._slots.give_back(self.number)
        else:
            self._memory.close()


class Slots:
    """All slots of a process. ``fd`` is the descriptor to store for a successor."""

    def __init__(self, fd: int) -> None:
        """
        Take over *fd*, which :meth:`create` made in this process or a predecessor.

        Raises LedgerError if *fd* is something else; the caller then still owns *fd*.
        """
        if os.fstat(fd).st_size != _COUNT * SLOT_BYTES:
            raise LedgerError("the stored slots are something else")
        self.fd = fd
        self._lock = threading.Lock()
        self._memory = mmap.mmap(fd, _COUNT * SLOT_BYTES)
        self._free: list[int] = []
        self._next = 0  # this slot and all after it are free

    @classmethod
    def create(cls) -> Slots:
        """Return new slots, all of them free."""
        fd = os.memfd_create("threadchat-slots")
        os.ftruncate(fd, _COUNT * SLOT_BYTES)
        return cls(fd)

    def reserve(self, numbers: Iterable[int]) -> None:
        """Mark exactly these *numbers*, given by a predecessor, as taken. Call it before the first :meth:`take`."""
        taken = set(numbers)
        self._next = max(taken, default=-1) + 1
        self._free = [number for number in range(self._next) if number not in taken]

    def slot(self, number: int) -> Slot:
        """Return slot *number*, which is already taken. Raises LedgerError if there is no such slot."""
        if not 0 <= number < _COUNT:
            raise LedgerError(f"there is no slot {number}")
        return Slot(self._memory, number * SLOT_BYTES, number, self)

    def take(self) -> Slot:
        """Return a free slot, or a private one if none is free."""
        with self._lock:
            if self._free:
                return self.slot(self._free.pop())
            if self._next == _COUNT:
                return Slot.private()
            self._next += 1
            return self.slot(self._next - 1)

    def give_back(self, number: int) -> None:
        """Free slot *number*."""
        with self._lock:
            self._free.append(number)

    def close(self) -> None:
        """Let go of the memory, unless threads still read into it. A descriptor stored elsewhere keeps the contents."""
        try:
            self._memory.close()
        except BufferError:  # threads still read into it: they end with the process
            return
        os.close(self.fd)
