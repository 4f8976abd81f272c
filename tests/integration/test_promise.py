"""The promise: what anybody has seen is in the history, whenever the daemon is killed."""

from __future__ import annotations

import contextlib
import itertools
import random
import re
import select
import signal
import sqlite3
from pathlib import Path
from typing import NamedTuple

from tests.conftest import Serve
from tests.running import Running
from tests.talker import Talker

ROUNDS = 20
_NUMBER = (1 << 40) - 1  # the part of a key that is a line's number
_NUMBERED = re.compile(r"#(\d+)(?:-(\d+))? (.*)")


class Seen(NamedTuple):
    """A line with its number; of several people at once, it has several."""

    first: int
    last: int
    text: str


class Reader:
    """Somebody who comes again after every crash, and all that they have seen, with its numbers."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.seen: list[Seen] = []
        self.talker: Talker | None = None
        self._unfinished = b""

    def comes(self, chat: Running) -> None:
        """Enter, and have lines numbered from now on."""
        self.talker = chat.connect()
        self.talker.says(f"/nick {self.name}")
        self.talker.says("/numbers on")
        self.talker.waits_for("* Lines begin with their numbers now.")
        self._unfinished = self.talker.unread()

    def reads(self) -> bool:
        """Take what has come; return whether there may be more."""
        assert self.talker
        try:
            data = self.talker.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        *lines, self._unfinished = (self._unfinished + data).split(b"\n")
        for line in lines:
            found = _NUMBERED.fullmatch(line.decode())
            assert found, line
            self.seen.append(Seen(int(found[1]), int(found[2] or found[1]), found[3]))
        return bool(data)


def served(serve: Serve, state: Path) -> Running:
    """Start a daemon that keeps everything, and slows nobody down."""
    config = state.with_suffix(".toml")
    config.write_text(
        '[tcp.servers.lobby]\naddr = "tcp://127.0.0.1:0"\n'
        "limits = { flood_lines_per_second = 0.0, send_queue_bytes = 16384 }\n"
        f'[history]\nlines = 1_000_000\nstate = "{state}"\n'
    )
    return serve("--config", str(config))


def kept(state: Path) -> list[Seen]:
    """Return all that is in the database, as people see it; the text of comings and goings is left out."""
    with contextlib.closing(sqlite3.connect(state / "history.db")) as database:
        talk = database.execute("SELECT key, name, text FROM talk").fetchall()
        comings = database.execute("SELECT key, size FROM comings").fetchall()
    found = [
        Seen(number, number, f"{name}: {line}")
        for key, name, text in talk
        for number, line in enumerate(text.split("\n"), key & _NUMBER)
    ]
    return sorted(found + [Seen(key & _NUMBER, (key & _NUMBER) + size - 1, "*") for key, size in comings])


def talk_until(readers: list[Reader], enough: int, words: itertools.count[int]) -> None:
    """Have all but the first talk as fast as they can, and read, until *enough* lines have been seen."""
    sockets = {reader.talker.socket.fileno(): reader for reader in readers if reader.talker}
    poll = select.poll()
    for fd in sockets:
        poll.register(fd, select.POLLIN)
    before = sum(len(reader.seen) for reader in readers)
    while sum(len(reader.seen) for reader in readers) < before + enough:
        for reader in readers[1:]:
            assert reader.talker
            lines = [f"{next(words)} {'x' * random.randrange(200)}\n" for _ in range(random.randrange(8))]
            reader.talker.sends("".join(lines).encode())
        for fd, _ in poll.poll(100):
            if sockets[fd] is not readers[0] or random.random() < 0.1:  # the first is a slow reader
                sockets[fd].reads()


def test_what_anybody_has_seen_is_kept_whenever_the_daemon_is_killed(serve: Serve, tmp_path: Path) -> None:
    """Under its number, line by line. No reader sees a number twice, and /since gives exactly the rest."""
    readers = [Reader(f"p{number}") for number in range(7)]
    words = itertools.count()
    rest: list[Seen] = []
    for _ in range(ROUNDS):
        chat = served(serve, tmp_path / "state")
        if rest:
            comes_back(chat, rest)
        for reader in readers:
            reader.comes(chat)
        talk_until(readers, random.randrange(20, 4000), words)
        chat.stop(signal.SIGKILL)
        for reader in readers:
            while reader.reads():  # what the dead daemon has sent counts as seen
                pass
        history = kept(tmp_path / "state")
        by_number = {number: line for line in history for number in range(line.first, line.last + 1)}
        for reader in readers:
            for before, line in itertools.pairwise(reader.seen):
                assert before.last < line.first, f"{reader.name} has seen a number twice"
            for line in reader.seen:
                assert all(number in by_number for number in range(line.first, line.last + 1)), f"{line} is lost"
                if not line.text.startswith("* "):
                    assert by_number[line.first].text == line.text
        place = random.choice(readers).seen[-1].last
        rest = [Seen(place, place, ""), *[line for line in history if line.first > place]]


def comes_back(chat: Running, rest: list[Seen]) -> None:
    """See somebody come again who has seen everything up to some number: they get exactly the *rest*."""
    (place, _, _), *expected = rest
    with chat.guest() as again:
        again.remembers = True
        again.says("/numbers on")
        again.waits_for("* Lines begin with their numbers now.")
        again.says(f"/since {place}")
        again.waits_for(f"* Everything after #{place}:")
        for line in expected:
            found = _NUMBERED.fullmatch(again.line())
            assert found
            seen = Seen(int(found[1]), int(found[2] or found[1]), "*" if found[3].startswith("* ") else found[3])
            assert seen == line
