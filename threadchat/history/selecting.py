"""What is kept, and what is picked of it: the same rules for memory and database."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from threadchat.chat.events import Event, Kind
from threadchat.chat.history import Found
from threadchat.history.matching import Matcher


class Bounds(NamedTuple):
    """What is kept of each room: at least so much, and by whole events."""

    lines: int = 10_000  # of talk
    age: float = 0.0  # of everything, in seconds; 0: any
    comings: int = 1000  # lines that say who has come, gone, or a new name


def first_events(events: Iterable[Event], after: int, most_bytes: int) -> list[Event]:
    """Return the first of *events*, which are in order, with lines over *after*: up to *most_bytes*, or a bit more."""
    found: list[Event] = []
    size = 0
    for event in events:
        if event.last <= after:
            continue
        found.append(event.after(after))
        size += len(found[-1].text)
        if size >= most_bytes:
            break
    return found


def last_lines(newest_first: Iterable[Event], lines: int) -> list[Event]:
    """Return the last *lines* lines of events that are given the newest first, in order."""
    found: list[Event] = []
    missing = lines
    for event in newest_first:
        if missing <= 0:
            break
        found.append(event if event.size <= missing else event.after(event.last - missing))
        missing -= event.size
    return found[::-1]


def matching_lines(event: Event, matcher: Matcher, before: int | None) -> list[Found]:
    """Return the lines of *event*, if it is something said or done, that match; the newest first."""
    if event.kind not in (Kind.SAID, Kind.DID) or (before is not None and event.number >= before):
        return []
    found = [
        Found(event.number + index, event.at, event.name, line)
        for index, line in enumerate(event.lines)
        if matcher.matches(line) and (before is None or event.number + index < before)
    ]
    return found[::-1]
