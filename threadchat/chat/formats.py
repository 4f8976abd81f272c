"""
Wire formats: how events become bytes. Each format is one object, shared by all members who have chosen it.

A batch is encoded once for each format in use, however many members use it. So far there are only the plain lines that
people read.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from threadchat.chat.events import Event, Kind
from threadchat.chat.history import Gap

#: Up to this many people who do the same are named, in a line each. For more, one line says how many they are.
MAX_NAMED = 3


_SAID = Kind.SAID  # a global is found sooner than a member of an enumeration


class Format(Protocol):
    """A way to write events. Equal formats are the same object, so a format can be looked up by identity."""

    def event(self, event: Event) -> bytes:
        """Return the lines of *event*."""

    def notice(self, text: str) -> bytes:
        """Return a line of the server's own, for one person."""

    def line(self, text: str) -> bytes:
        """Return *text*, which is a whole line and safe, for one person."""

    def gap(self, gap: Gap) -> bytes:
        """Return the line that tells of a gap."""


class PlainFormat:
    """Lines for people, as they have chosen them: LF or CRLF, with or without numbers and times of day."""

    __slots__ = ("_bare", "_end", "crlf", "numbers", "times")

    def __init__(self, crlf: bool, numbers: bool, times: bool) -> None:
        self.crlf, self.numbers, self.times = crlf, numbers, times
        self._end = "\r\n" if crlf else "\n"
        self._bare = not numbers and not times

    def event(self, event: Event) -> bytes:
        """Return the lines of *event*."""
        kind, _, size, _, name, text = event
        if self._bare and kind is _SAID:  # nearly always; many lines cost no more Python than one
            end = self._end
            if size > 1:
                text = text.replace("\n", f"{end}{name}: ")
            return f"{name}: {text}{end}".encode()
        lines = [f"{self._stamp(event, first, last)}{line}{self._end}" for first, last, line in _lines(event)]
        return "".join(lines).encode()

    def notice(self, text: str) -> bytes:
        """Return a line of the server's own, for one person."""
        return f"* {text}{self._end}".encode()

    def line(self, text: str) -> bytes:
        """Return *text*, which is a whole line and safe, for one person."""
        return f"{text}{self._end}".encode()

    def gap(self, gap: Gap) -> bytes:
        """Return the line that tells of a gap."""
        if gap.first == gap.last:
            return self.notice(f"#{gap.first} is missing here: it is not kept.")
        return self.notice(f"#{gap.first} to #{gap.last} are missing here: they are not kept.")

    def but(self, *, crlf: bool | None = None, numbers: bool | None = None, times: bool | None = None) -> PlainFormat:
        """Return the format with these choices. What is not chosen stays as in this format."""
        return plain(
            crlf=self.crlf if crlf is None else crlf,
            numbers=self.numbers if numbers is None else numbers,
            times=self.times if times is None else times,
        )

    def _stamp(self, event: Event, first: int, last: int) -> str:
        """Return what stands in front of a line that is for the numbers *first* to *last*."""
        number = f"#{first} " if first == last else f"#{first}-{last} "
        time = datetime.fromtimestamp(event.at / 1000).astimezone() if self.times else None
        return (number if self.numbers else "") + (f"{time:%H:%M} " if time else "")


#: Every combination there is.
_PLAIN = {
    (crlf, numbers, times): PlainFormat(crlf, numbers, times)
    for crlf in (False, True)
    for numbers in (False, True)
    for times in (False, True)
}


def plain(*, crlf: bool = False, numbers: bool = False, times: bool = False) -> PlainFormat:
    """Return the one format for these choices."""
    return _PLAIN[crlf, numbers, times]


def _lines(event: Event) -> list[tuple[int, int, str]]:
    """Return the lines of an event as people read them, each with its first and its last number."""
    if event.size > MAX_NAMED and event.kind in _MANY:
        return [(event.number, event.last, f"* {event.size} people {_MANY[event.kind]}")]
    return [(number, number, _line(event, line)) for number, line in enumerate(event.lines, event.number)]


def _line(event: Event, line: str) -> str:
    if event.kind is Kind.TOPIC:
        return f"* {event.name} has set the topic: {line}" if line else f"* {event.name} has removed the topic"
    if event.kind in _FORMS:
        return _FORMS[event.kind].format(name=event.name, line=line)
    who, _, other = line.partition(" ")
    between = {Kind.JOINED: "joined", Kind.LEFT: "left for" if other else "left"}.get(event.kind, "is now")
    return f"* {who} {between} {other}".rstrip()


#: How people read what other people say and do.
_FORMS = {
    Kind.SAID: "{name}: {line}",
    Kind.DID: "** {name} {line}",
    Kind.MODERATED: "* {name} {line}",
}

#: What is said of many people at once.
_MANY = {Kind.JOINED: "joined", Kind.LEFT: "left", Kind.RENAMED: "changed their names"}
