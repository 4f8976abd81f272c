"""
What it costs to keep what is said: ``python -m benchmarks.history [DIRECTORY]``.

Where there are several rounds, the best one counts, so that other work of the machine is left out.
"""

from __future__ import annotations

import functools
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from threadchat.base.log import set_up_log
from threadchat.chat.events import Event, Kind
from threadchat.chat.history import RoomHistory
from threadchat.history.memory import MemoryHistory
from threadchat.history.selecting import Bounds
from threadchat.history.sqlite import SqliteHistory

LINE = "Has anybody seen the keys of the meeting room? {}"
LINES = 1_000_000
SHAPES = ((1, 1), (10, 1), (50, 1), (1, 50))
NO_BOUND = Bounds(lines=10**9)


def best(action: Callable[[], object], rounds: int, each: int = 50) -> float:
    """Return how many microseconds *action* takes, in the best of *rounds*."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        for _ in range(each):
            action()
        times.append(time.perf_counter() - began)
    return min(times) / each * 1e6


def say(room: RoomHistory, events: int, lines: int) -> None:
    """Append a batch of *events* events of *lines* lines each."""
    first, now = room.last + 1, int(time.time() * 1000)
    texts = ["\n".join([LINE.format(n)] * lines) for n in range(events)]
    room.append([Event(Kind.SAID, first + n * lines, lines, now, "alice", text) for n, text in enumerate(texts)])


def appending(name: str, room: RoomHistory, rounds: int) -> None:
    """Print what a batch costs."""
    costs = [f"{n}x{lines} {best(functools.partial(say, room, n, lines), rounds):.1f} µs" for n, lines in SHAPES]
    print(f"{name}: a batch of events x lines: " + ", ".join(costs))


def reading(name: str, room: RoomHistory) -> None:
    """Print what reading costs."""
    print(
        f"{name}: tail of 20 {best(lambda: room.tail(20), 50):.1f} µs,"
        f" read of 50 near the end {best(lambda: room.read(room.last - 50, 65_536), 50):.0f} µs,"
        f" of 64 KiB in the middle {best(lambda: room.read(room.last // 2, 65_536), 20, 5):.0f} µs"
    )


def large(directory: Path) -> None:
    """Print what it costs to open, search and trim a room with a million lines."""
    log = set_up_log()
    history = SqliteHistory(directory / "large", log, NO_BOUND)
    room = history.room("lobby")
    while room.last < LINES:
        say(room, 1000, 1)
    size = (directory / "large" / "history.db").stat().st_size
    for words in (["keys 7"], ["seen", "nowhere"], ["NÖWHERE"]):
        took = best(functools.partial(room.search, words, None, 20), 3, 1) / 1000
        print(f"search for {words} in {LINES} lines: {took:.0f} ms")
    history.close()
    for clean in (True, False):
        if not clean:
            (directory / "large" / "numbers").unlink()
        began = time.perf_counter()
        history = SqliteHistory(directory / "large", log, NO_BOUND, tick=3600)
        way = "as it was left" if clean else "with a check"
        print(f"open {size >> 20} MiB {way}: {time.perf_counter() - began:.2f} s")
        history.close()
    trimming(directory)


def trimming(directory: Path) -> None:
    """Trim that room; print how long that takes, and how long writes wait meanwhile."""
    history = SqliteHistory(directory / "large", set_up_log(), Bounds(lines=10_000))
    room, other = history.room("lobby"), history.room("other")
    began = time.perf_counter()
    waits = []
    while not room.gaps(LINES - 10_001, LINES - 10_000):
        start = time.perf_counter()
        say(other, 1, 1)
        waits.append(time.perf_counter() - start)
        time.sleep(0.0005)
    waits.sort()
    print(
        f"trim {LINES} lines to 10000: {time.perf_counter() - began:.1f} s; {len(waits)} batches meanwhile waited"
        f" {waits[len(waits) // 2] * 1e6:.0f} µs (median), {waits[len(waits) * 99 // 100] * 1000:.1f} ms (99 %),"
        f" {waits[-1] * 1000:.1f} ms (longest)"
    )
    history.close()


def resident() -> int:
    """Return this process's resident memory in KiB."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))


def threads(room: RoomHistory, count: int = 400) -> None:
    """Print how much memory stays resident for an idle thread, one that has appended, and one that has searched."""
    threading.stack_size(256 * 1024)
    costs = []
    for action in (lambda: None, lambda: None, lambda: say(room, 1, 1), lambda: room.search(["x"], None, 1)):
        done = threading.Event()
        ready = threading.Semaphore(0)
        run = functools.partial(_act_and_wait, action, ready, done)
        before = resident()
        started = [threading.Thread(target=run) for _ in range(count)]
        for thread in started:
            thread.start()
            ready.acquire()
        costs.append((resident() - before) / count)
        done.set()
        for thread in started:
            thread.join()
    _, *costs = costs  # the later threads use again what the first ones have touched
    print("a thread: {:.1f} KiB; that has appended: {:.1f} KiB; that has searched: {:.1f} KiB".format(*costs))


def _act_and_wait(action: Callable[[], object], ready: threading.Semaphore, done: threading.Event) -> None:
    action()
    ready.release()
    done.wait()


def main() -> None:
    """Measure everything."""
    directory = Path(tempfile.mkdtemp(dir=sys.argv[1] if len(sys.argv) > 1 else None))
    try:
        memory = MemoryHistory()
        appending("memory", memory.room("lobby"), 100)
        reading("memory", memory.room("lobby"))
        for durability, rounds in (("process", 100), ("power", 3)):
            history = SqliteHistory(directory / durability, set_up_log(), NO_BOUND, durability)  # type: ignore[arg-type]
            room = history.room("lobby")
            appending(durability, room, rounds)
            if durability == "process":
                reading(durability, room)
                threads(room)
            history.close()
        large(directory)
    finally:
        shutil.rmtree(directory)


if __name__ == "__main__":
    main()
