"""What is known about connections survives a crash at any byte, old or new, never torn."""

from __future__ import annotations

import mmap
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from threadchat.base.errors import LedgerError
from threadchat.net.ledger import Ledger

#: Puts values that vouch for themselves, for ever, and says so after the first thousand.
_WRITER = """
import sys
from threadchat.net.ledger import Ledger

Ledger.SPARE_BYTES = 20_000   # compacts every few hundred puts
ledger = Ledger(int(sys.argv[1]))
turn = 0
while True:
    turn += 1
    for id in range(50):
        ledger.put(id, f"{id} {turn} ".encode() + b"x" * (turn % 200))
    ledger.remove(turn % 50)
    if turn == 20:
        print("going", flush=True)
"""


class Died(BaseException):
    """The process dies here."""


class DyingMemory:
    """A map that takes so many more bytes, and then, perhaps in the middle of one write, no more."""

    def __init__(self, memory: mmap.mmap, bytes_left: int) -> None:
        self._memory = memory
        self._bytes_left = bytes_left

    def __getitem__(self, where: slice) -> bytes:
        return self._memory[where]

    def __setitem__(self, where: slice, data: bytes) -> None:
        part = data[: self._bytes_left]
        self._memory[where.start : where.start + len(part)] = part
        self._bytes_left -= len(part)
        if len(part) < len(data):
            raise Died

    def madvise(self, advice: int, start: int, length: int) -> None:
        if self._bytes_left == 0:
            raise Died
        self._memory.madvise(advice, start, length)

    def close(self) -> None:
        self._memory.close()


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    ledger = Ledger.create()
    yield ledger
    ledger.close()


def reread(ledger: Ledger) -> dict[int, bytes]:
    """Return what a successor would find."""
    successor = Ledger(os.dup(ledger.fd))
    found = successor.entries()
    successor.close()
    return found


def test_the_last_value_of_each_connection_is_found_again(ledger: Ledger) -> None:
    ledger.put(7, b"guest-7")
    ledger.put(8, b"guest-8")
    ledger.put(7, b"alice")
    ledger.put(9, b"")
    ledger.remove(8)
    ledger.remove(1000)

    assert ledger.entries() == {7: b"alice", 9: b""}
    assert reread(ledger) == {7: b"alice", 9: b""}


def test_a_successor_goes_on_where_it_was_left(ledger: Ledger) -> None:
    ledger.put(1, b"alice")
    second = Ledger(os.dup(ledger.fd))
    second.put(2, b"bob")
    second.remove(1)
    second.close()

    assert reread(ledger) == {2: b"bob"}


def test_large_values_and_extreme_ids_are_kept(ledger: Ledger) -> None:
    """The unsent bytes of a slow reader are part of what is known about it."""
    values = {0: os.urandom(300_000), 2**64 - 1: b"last"}
    for id, value in values.items():
        ledger.put(id, value)

    assert reread(ledger) == values


def test_memory_stays_in_proportion_to_what_is_known(ledger: Ledger) -> None:
    for turn in range(200):
        for id in range(100):
            ledger.put(id, b"%d " % turn + b"x" * 1000)
    memory = os.fstat(ledger.fd).st_blocks * 512  # the values are 100 KB, written were 20 MB

    assert memory < 2 * Ledger.SPARE_BYTES
    assert len(reread(ledger)) == 100


def test_something_else_is_refused_and_left_alone() -> None:
    fd = os.memfd_create("else")
    with pytest.raises(LedgerError, match="something else"):
        Ledger(fd)
    os.close(fd)


def test_an_unknown_format_is_refused_and_left_alone(ledger: Ledger) -> None:
    ledger.put(1, b"alice")
    for half in (0, os.fstat(ledger.fd).st_size // 2):
        os.pwrite(ledger.fd, b"threadchat/9", half)
    with pytest.raises(LedgerError, match="version"):
        Ledger(ledger.fd)
    os.fstat(ledger.fd)


@given(
    changes=st.lists(st.tuples(st.integers(0, 5), st.none() | st.binary(max_size=40)), max_size=30),
    bytes_left=st.integers(0, 1500),
)
def test_a_crash_at_any_byte_leaves_the_value_before_or_the_value_after(
    changes: list[tuple[int, bytes | None]], bytes_left: int
) -> None:
    """Whatever was being written: a value, a removal, a copy to the other half, a header."""
    ledger = Ledger.create()
    ledger.SPARE_BYTES = 100
    ledger.put(0, b"from the beginning")
    ledger._memory = DyingMemory(ledger._memory, bytes_left)  # type: ignore[assignment]
    before = after = {0: b"from the beginning"}
    try:
        for id, value in changes:
            after = {**before, id: value} if value is not None else _without(before, id)
            if value is not None:
                ledger.put(id, value)
            else:
                ledger.remove(id)
            before = after
    except Died:
        pass
    found = reread(ledger)
    ledger.close()

    assert found in (before, after)


def _without(known: dict[int, bytes], id: int) -> dict[int, bytes]:
    return {other: value for other, value in known.items() if other != id}


def test_kill_9_in_the_middle_of_it_all_leaves_whole_values(ledger: Ledger) -> None:
    for _ in range(5):
        with subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(ledger.fd)],
            pass_fds=[ledger.fd],
            stdout=subprocess.PIPE,
            text=True,
        ) as writer:
            assert writer.stdout
            assert writer.stdout.readline() == "going\n"
            writer.send_signal(signal.SIGKILL)
        found = reread(ledger)
        turns = set()
        for id, value in found.items():
            written_id, turn, padding = value.split(b" ")
            assert int(written_id) == id
            assert padding == b"x" * (int(turn) % 200)
            turns.add(int(turn))
        # 50 puts and a removal a turn: whatever is missing or old by more than one turn has been lost.
        assert len(found) >= 48
        assert max(turns) - min(turns) <= 1


def test_threads_write_at_once(ledger: Ledger) -> None:
    def write(first: int) -> None:
        for turn in range(500):
            for id in range(first, first + 5):
                ledger.put(id, b"%d %d" % (id, turn))

    run_together([lambda n=n: write(n * 5) for n in range(4)])  # type: ignore[misc]

    assert reread(ledger) == {id: b"%d 499" % id for id in range(20)}


def run_together(tasks: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=task, name=f"writer-{n}") for n, task in enumerate(tasks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
