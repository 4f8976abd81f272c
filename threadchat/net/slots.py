"""
Where what a connection's thread reads outlives the process: a slot of shared memory for each connection.

Every read of a connection begins in its slot. The kernel puts the bytes there before the thread knows of them, so
they are still there when the process is replaced before its thread could act on them. The successor inherits the
memory (a memfd), compares what the kernel has counted with what was acted on, and takes the rest from the slot.

``take`` and ``give_back`` may be called from any thread; there is one lock, a leaf. A slot is one connection's.
A page of memory is used by eight connections, and only once somebody says something.
"""

from __future__ import annotations

import mmap
import os
import threading
from collections.abc import Iterable

from threadchat.base.errors import LedgerError

#: The most that one read may bring before its thread knows of it.
SLOT_BYTES = 512
#: As many as there can be. What nobody has touched costs address space only.
_COUNT = 1 << 17


class Slot:
    """The memory for one connection's next read. ``number`` is None if it ends with this process."""

    __slots__ = ("_at", "_memory", "_slots", "number", "view")

    def __init__(self, memory: mmap.mmap, at: int, number: int | None, slots: Slots | None = None) -> None:
        self._memory = memory
        self._slots = slots
        self._at = at
        self.number = number
        #: What to read into.
        self.view = memoryview(memory)[at : at + SLOT_BYTES]

    @classmethod
    def private(cls) -> Slot:
        """Return one that nobody inherits."""
        return cls(mmap.mmap(-1, SLOT_BYTES), 0, None)

    def content(self, count: int) -> bytes:
        """Return the first *count* bytes."""
        return self._memory[self._at : self._at + count]

    def give_back(self) -> None:
        """Free it: nobody reads into it any longer."""
        self.view.release()
        if self._slots and self.number is not None:
            self._slots.give_back(self.number)
        else:
            self._memory.close()


class Slots:
    """All of them. ``fd`` is what to store."""

    def __init__(self, fd: int) -> None:
        """
        Take over *fd*, which :meth:`create` made in this process or a predecessor.

        Raises LedgerError if it is something else; *fd* is then still the caller's.
        """
        if os.fstat(fd).st_size != _COUNT * SLOT_BYTES:
            raise LedgerError("the stored slots are something else")
        self.fd = fd
        self._lock = threading.Lock()
        self._memory = mmap.mmap(fd, _COUNT * SLOT_BYTES)
        self._free: list[int] = []
        self._next = 0  # this one and those after it have not been used

    @classmethod
    def create(cls) -> Slots:
        """Return new ones."""
        fd = os.memfd_create("threadchat-slots")
        os.ftruncate(fd, _COUNT * SLOT_BYTES)
        return cls(fd)

    def reserve(self, numbers: Iterable[int]) -> None:
        """Have these *numbers* taken, which a predecessor has given, and no others. Before the first :meth:`take`."""
        taken = set(numbers)
        self._next = max(taken, default=-1) + 1
        self._free = [number for number in range(self._next) if number not in taken]

    def slot(self, number: int) -> Slot:
        """Return the slot with that *number*, which is taken. Raises LedgerError if there is none."""
        if not 0 <= number < _COUNT:
            raise LedgerError(f"there is no slot {number}")
        return Slot(self._memory, number * SLOT_BYTES, number, self)

    def take(self) -> Slot:
        """Return a free slot, or a private one if there is none."""
        with self._lock:
            if self._free:
                return self.slot(self._free.pop())
            if self._next == _COUNT:
                return Slot.private()
            self._next += 1
            return self.slot(self._next - 1)

    def give_back(self, number: int) -> None:
        """Free the slot with that *number*."""
        with self._lock:
            self._free.append(number)

    def close(self) -> None:
        """Let go of the memory, unless threads still read into it. What is stored elsewhere keeps its contents."""
        try:
            self._memory.close()
        except BufferError:  # the process ends, and they with it
            return
        os.close(self.fd)
