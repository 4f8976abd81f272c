"""
The last number of each room, in a file of its own, so that no number is used twice, whatever becomes of the database.

A number is written after every batch, and after lines that could not be kept. That needs no disk space, because the
file has spare slots. It is a single write of a few bytes, which survives the end of the process at any moment, but not
a power cut. A room is found by a digest of its name. Its id would not do, because only the database knows it.

A header of 32 bytes, then slots of 32: digest (16 bytes), number (8), zeros (8). Byte order is little-endian.
Callable from any thread.
"""

from __future__ import annotations

import contextlib
import os
import struct
import threading
from hashlib import blake2b
from pathlib import Path

from threadchat.history.directory import identity
from threadchat.history.schema import MAX_NUMBER

_FORMAT = b"threadchat/nums1"
_SLOT = struct.Struct("<16sQQ")
_NUMBER = struct.Struct("<Q")
_NUMBER_OFFSET = 16
_DIGEST_BYTES = 16
#: So many new rooms have space in the file even if the disk is full.
SPARE_SLOTS = 1024


class Numbers:
    """The file at *path*. Raises OSError if it cannot be opened or made."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()  # no other lock is taken under it
        self._closed = False
        self._numbers: dict[bytes, int] = {}
        self._slots: dict[bytes, int] = {}
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self._identity = identity(path)
        try:
            self._mark = self._read()
            self._write_header(bytes(_DIGEST_BYTES))
            self.make_room()
        except BaseException:
            os.close(self._fd)
            raise

    def last(self, digest: bytes) -> int:
        """Return the last number that was used in the room with this *digest*; 0 if none was."""
        return self._numbers.get(digest, 0)

    def use(self, digest: bytes, number: int) -> None:
        """Note that *number* is used. If it cannot be written, at least this process knows it."""
        with self._lock:
            self._numbers[digest] = number
            if self._closed:
                return
            slot = self._slots.get(digest)
            try:
                if slot is not None:
                    os.pwrite(self._fd, _NUMBER.pack(number), slot * _SLOT.size + _NUMBER_OFFSET)
                else:
                    slot = len(self._slots) + 1
                    os.pwrite(self._fd, _SLOT.pack(digest, number, 0), slot * _SLOT.size)
                    self._slots[digest] = slot
            except OSError:
                return

    def make_room(self) -> None:
        """Add spare slots for new rooms. If the disk has no space, the next call tries again."""
        with contextlib.suppress(OSError):
            os.posix_fallocate(self._fd, 0, (1 + len(self._slots) + SPARE_SLOTS) * _SLOT.size)

    def is_in_place(self) -> bool:
        """Whether the file is still where it was."""
        return identity(self.path) == self._identity

    def was_left(self, state: str) -> bool:
        """Whether the database was in the same *state* as now when this file was closed."""
        return self._mark == digest_of(state)

    def close(self, state: str = "") -> None:
        """Close the file. Note *state*, if given, as the one that the database was left in."""
        with self._lock:
            self._closed = True
            with contextlib.suppress(OSError):
                if state:
                    self._write_header(digest_of(state))
            os.close(self._fd)

    def _write_header(self, mark: bytes) -> None:
        os.pwrite(self._fd, _FORMAT + mark, 0)

    def _read(self) -> bytes:
        """Read all slots; return the mark. A file of another format is emptied: the database knows most numbers."""
        data = os.pread(self._fd, os.fstat(self._fd).st_size, 0)
        if data[: len(_FORMAT)] != _FORMAT:
            os.ftruncate(self._fd, 0)
            return b""
        for start in range(_SLOT.size, len(data) - _SLOT.size + 1, _SLOT.size):
            digest, number, _ = _SLOT.unpack_from(data, start)
            if not any(digest):
                break
            self._slots[digest] = start // _SLOT.size
            self._numbers[digest] = number if number <= MAX_NUMBER else 0
        return data[len(_FORMAT) : _SLOT.size]


def digest_of(text: str) -> bytes:
    """Return the digest by which *text*, such as a room's name, is found."""
    return blake2b(text.encode(), digest_size=_DIGEST_BYTES).digest()
