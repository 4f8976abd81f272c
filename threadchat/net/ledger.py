"""
The ledger: a journal in shared memory. It holds what is known about each kept connection, and survives a crash.

The memory is a memfd, which systemd's descriptor store keeps, as it keeps the connections. It is mapped and written in
place. Every change appends one record. A record counts only if its checksum is right, so a process that dies at any
byte leaves the value before or the value after, never a mixture. An id's last record is its value.

The memory has two halves, and one is in use. When most of the records there no longer count, the others are copied to
the second half. A header, with a checksum too, then puts the second half into use, and the memory of the first one is
given back. Memory that was never written costs nothing: 10,000 connections with 150 bytes each cost 2 to 10 MB.

Any thread may call it. Its one lock is a leaf: nothing but memory is touched under it. Nothing is synced to a disk: the
ledger survives the process but not the machine, and the same is true of connections.
Not here: what the values mean (handover.py and the apps), and the sockets (keeper.py).
"""

from __future__ import annotations

import mmap
import os
import struct
import threading
from zlib import crc32

from threadchat.base.errors import LedgerError

#: The size of a half. Most of it is never touched, so it costs address space only.
_HALF_BYTES = 1 << 30
#: A half begins with: format, generation, checksum of both. The half with the higher generation is in use.
_HEADER = struct.Struct("<16sQI")
_FORMAT = b"threadchat/1"
#: A record begins with: checksum of its rest, size of the value that follows (or _GONE: the id is removed), id.
_CHECKSUM = struct.Struct("<I")
_RECORD = struct.Struct("<IQ")
_GONE = 0xFFFF_FFFF


class Ledger:
    """
    A mapping of connection ids (64 bits) to bytes that outlives its process. ``fd`` is the descriptor to store.

    The caller says what the values mean, and should put a version in them.
    """

    #: A half is compacted when it is larger than this, and also larger than four times what counted in it at first.
    SPARE_BYTES = 1 << 20

    def __init__(self, fd: int) -> None:
        """
        Take over *fd*, which :meth:`create` made in this process or a predecessor.

        Raises LedgerError if *fd* is something else, or of an unknown format; the caller then still owns *fd*.
        """
        if os.fstat(fd).st_size != 2 * _HALF_BYTES:
            raise LedgerError("the stored ledger is something else")
        self.fd = fd
        self._lock = threading.Lock()
        self._memory = mmap.mmap(fd, 2 * _HALF_BYTES)
        self._places: dict[int, tuple[int, int]] = {}  # of the record that counts: start, end
        try:
            self._half, self._generation = self._find_half()
        except LedgerError:
            self._memory.close()
            raise
        self._end = self._read()
        # Begin on clean memory: behind the last whole record there may be a part of one, from a dying predecessor.
        self._compact()

    @classmethod
    def create(cls) -> Ledger:
        """Return an empty ledger."""
        fd = os.memfd_create("threadchat-ledger")
        os.ftruncate(fd, 2 * _HALF_BYTES)
        os.pwrite(fd, _header(1), 0)
        return cls(fd)

    def put(self, id: int, value: bytes) -> None:
        """Set the value of *id*. Raises LedgerError, and changes nothing, if there is no room for it."""
        with self._lock:
            self._places[id] = self._append(_RECORD.pack(len(value), id) + value)
            if self._end > self._limit:
                self._compact()

    def remove(self, id: int) -> None:
        """Forget *id*; an unknown one is ignored."""
        with self._lock:
            if id not in self._places:
                return
            self._append(_RECORD.pack(_GONE, id))
            del self._places[id]
            if self._end > self._limit:
                self._compact()

    def entries(self) -> dict[int, bytes]:
        """Return every id's value."""
        offset = _CHECKSUM.size + _RECORD.size
        with self._lock:
            return {id: self._memory[start + offset : end] for id, (start, end) in self._places.items()}

    def close(self) -> None:
        """Let go of the memory. A descriptor stored elsewhere keeps the contents."""
        with self._lock:
            self._memory.close()
            os.close(self.fd)

    def _append(self, record: bytes) -> tuple[int, int]:
        """Write one record; return where it is. Caller holds the lock."""
        start = self._end
        end = start + _CHECKSUM.size + len(record)
        if end > self._half + _HALF_BYTES:
            raise LedgerError("the ledger is full")
        self._memory[start:end] = _CHECKSUM.pack(crc32(record)) + record
        self._end = end
        return start, end

    def _compact(self) -> None:
        """Copy what counts to the other half, and use that half. A few ms for 10,000 ids. Caller holds the lock."""
        old, new = self._half, _HALF_BYTES - self._half
        self._memory.madvise(mmap.MADV_REMOVE, new, _HALF_BYTES)  # a predecessor may have died while it wrote here
        end = new + _HEADER.size
        records = [self._memory[start:stop] for start, stop in self._places.values()]
        for id, record in zip(self._places, records, strict=True):
            self._places[id] = (end, end + len(record))
            end += len(record)
        self._memory[new + _HEADER.size : end] = b"".join(records)
        # The new half counts once the last byte of the next line is written. Only then may the old one go.
        self._memory[new : new + _HEADER.size] = _header(self._generation + 1)
        self._memory.madvise(mmap.MADV_REMOVE, old, _HALF_BYTES)
        self._half, self._end = new, end
        self._generation += 1
        self._limit = new + max(self.SPARE_BYTES, 4 * (end - new))

    def _find_half(self) -> tuple[int, int]:
        """Return where the half in use begins, and its generation."""
        found = []
        for half in (0, _HALF_BYTES):
            header = self._memory[half : half + _HEADER.size]
            generation = _HEADER.unpack(header)[1]
            if header == _header(generation):
                found.append((generation, half))
        if not found:
            raise LedgerError("the stored ledger is of another version, or damaged")
        generation, half = max(found)
        return half, generation

    def _read(self) -> int:
        """Find the records that count in the half in use; return where the last whole one ends."""
        at, stop = self._half + _HEADER.size, self._half + _HALF_BYTES
        while at + _CHECKSUM.size + _RECORD.size <= stop:
            (checksum,) = _CHECKSUM.unpack_from(self._memory, at)
            size, id = _RECORD.unpack_from(self._memory, at + _CHECKSUM.size)
            end = at + _CHECKSUM.size + _RECORD.size + (0 if size == _GONE else size)
            if end > stop or crc32(self._memory[at + _CHECKSUM.size : end]) != checksum:
                break
            if size == _GONE:
                self._places.pop(id, None)
            else:
                self._places[id] = (at, end)
            at = end
        return at


def _header(generation: int) -> bytes:
    fields = _HEADER.pack(_FORMAT, generation, 0)[: -_CHECKSUM.size]
    return fields + _CHECKSUM.pack(crc32(fields))
