"""
Many people in one room who all talk and all listen, and a strict check of what each of them has seen.

Authors number their lines. So a line that is lost, doubled, garbled, out of order or glued to another one is found.
"""

from __future__ import annotations

import itertools
import random
import re
import select
import socket
import threading
from functools import partial
from graphlib import TopologicalSorter

from tests.waiting import until

_LINE = re.compile(r"(p\d+): (\d+)")
#: The lines of its own that the server may send.
_NOTICE = re.compile(r"\* (.* (joined|left|changed their names|is now .*)|You are .*|Some lines may be missing here\.)")
_PAUSE_SECONDS = 0.003


class Person:
    """One client: how many lines it has said, and every line it has seen."""

    def __init__(self, sock: socket.socket, name: str) -> None:
        self.socket = sock
        self.name = name
        self.said = 0
        self.began = 0  # only ``lines`` after this index are checked
        self.ended = False
        self.lines: list[str] = []
        self._unfinished = b""

    def read(self) -> None:
        """Read what has arrived."""
        try:
            data = self.socket.recv(1 << 20)
        except OSError:
            data = b""
        *lines, self._unfinished = (self._unfinished + data).split(b"\n")
        self.lines += [line.decode() for line in lines]
        self.ended = not data

    def has_seen(self, lines: set[str]) -> bool:
        """Whether all of *lines* are among the latest lines seen, or the connection has ended."""
        return self.ended or lines <= set(self.lines[-9 * len(lines) - 100 :])

    def says(self, *pieces: bytes) -> None:
        """Send one line, in *pieces*."""
        for piece in pieces:
            self.socket.sendall(piece)

    def says_next(self, in_pieces: bool) -> None:
        """Say the next number, in two pieces or in one."""
        self.said += 1
        line = f"{self.said:06}\n".encode()
        cut = random.randrange(len(line)) if in_pieces else 0
        self.says(*filter(None, (line[:cut], line[cut:])))


class Crowd:
    """People called p0, p1, …, one on each of *sockets*, which have just been connected. They read all the time."""

    def __init__(self, sockets: list[socket.socket]) -> None:
        self.people = [Person(sock, f"p{number}") for number, sock in enumerate(sockets)]
        self._stop = threading.Event()
        self._talk = threading.Event()
        self._quiet = threading.Event()
        self._quiet.set()
        self._threads = [
            threading.Thread(target=target, name=f"crowd-{target.__name__}")
            for target in (self._listening, self._talking)
        ]
        for person in self.people:
            person.says(f"/nick {person.name}\n".encode())
        for thread in self._threads:
            thread.start()
        for person in self.people:
            named = f"* You are now {person.name}"
            until(partial(person.has_seen, {named}), "everybody to have a name")
            person.began = person.lines.index(named)

    def talks(self, in_pieces: bool = False) -> None:
        """Let everybody talk in turn from now on; with *in_pieces*, sometimes half a line at a time."""
        self._in_pieces = in_pieces
        self._quiet.clear()
        self._talk.set()

    def said(self) -> int:
        """How many lines have been said so far."""
        return sum(person.said for person in self.people)

    def talks_for(self, lines: int) -> None:
        """Wait until *lines* more lines have been said."""
        enough = self.said() + lines
        until(lambda: self.said() >= enough, "people to talk")

    def falls_silent(self) -> None:
        """Wait until nobody talks. Let everybody say one last line, and wait until the others have seen it."""
        self._talk.clear()
        self._quiet.wait()
        for person in self.people:
            person.says_next(in_pieces=False)
        last = {f"{person.name}: {person.said:06}" for person in self.people}
        for person in self.people:
            rest = last - {f"{person.name}: {person.said:06}"}
            until(partial(person.has_seen, rest), "everybody to see the last words")

    def lost(self) -> int:
        """How many lines were not seen, in all. Fails if somebody has seen a line garbled, twice or out of order."""
        assert not [person.name for person in self.people if person.ended]
        seen = {person.name: self._numbered(person) for person in self.people}
        order = self._order(seen)
        lost = 0
        for person in self.people:
            places = [order[line] for line in seen[person.name]]
            assert places == sorted(set(places)), f"{person.name} has seen lines twice, or in another order"
            expected = sum(other.said for other in self.people if other is not person)
            lost += expected - len(places)
        return lost

    def leaves(self) -> None:
        """End the threads and close all connections."""
        self._stop.set()
        self._talk.set()
        for thread in self._threads:
            thread.join()
        for person in self.people:
            person.socket.close()

    @staticmethod
    def _numbered(person: Person) -> list[tuple[str, int]]:
        """The lines of others, as *person* has seen them. Fails if there are lines that the server must not send."""
        found = []
        for line in person.lines[person.began + 1 :]:
            if match := _LINE.fullmatch(line):
                assert match[1] != person.name
                found.append((match[1], int(match[2])))
            else:
                assert _NOTICE.fullmatch(line), f"{person.name} has seen {line!r}"
        return found

    @staticmethod
    def _order(seen: dict[str, list[tuple[str, int]]]) -> dict[tuple[str, int], int]:
        """The place of each line in one order that agrees with what everybody has seen. Fails if there is none."""
        after: dict[tuple[str, int], set[tuple[str, int]]] = {}
        for lines in seen.values():
            for line in lines:
                after.setdefault(line, set())
            for before, line in itertools.pairwise(lines):
                after[line].add(before)

        return {line: place for place, line in enumerate(TopologicalSorter(after).static_order())}

    def _listening(self) -> None:
        poll = select.epoll()
        by_fd = {person.socket.fileno(): person for person in self.people}
        for fd in by_fd:
            poll.register(fd, select.EPOLLIN)
        while not self._stop.is_set():
            for fd, _ in poll.poll(0.05):
                by_fd[fd].read()
                if by_fd[fd].ended:
                    poll.unregister(fd)
        poll.close()

    def _talking(self) -> None:
        while True:
            for person in self.people:
                if not self._talk.is_set():
                    self._quiet.set()
                    self._talk.wait()
                if self._stop.wait(_PAUSE_SECONDS):
                    return
                person.says_next(self._in_pieces and random.random() < 0.3)
