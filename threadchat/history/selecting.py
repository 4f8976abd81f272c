"""Which events are kept, and which are picked for an answer: the same rules for memory and database."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from threadchat.chat.events import Event, Kind
from threadchat.chat.history import Found
from threadchat.history.matching import Matcher


class Bounds(NamedTuple):
    """How much is kept of each room: at least so much, and only whole events."""

    lines: int = 10_000  # of talk
    age: float = 0.0  # in seconds, of events of any kind; 0: any age
    comings: int = 1000  # lines about who has come, has gone, or has a new name


def first_events(events: Iterable[Event], after: int, most_bytes: int) -> list[Event]:
    """Return the first events with lines over *after*: *most_bytes* or a bit more. *events* are in order."""
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
    """Return the last *lines* lines, in order. The events are given *newest_first*."""
    found: list[Event] = []
    missing = lines
    for event in newest_first:
        if missing <= 0:
            break
        found.append(event if event.size <= missing else event.after(event.last - missing))
        missing -= event.size
    return found[::-1]


def matching_lines(event: Event, matcher: Matcher, before: int | None) -> list[Found]:
    """Return the lines that match, the newest first, if *event* is something said or done."""
    if event.kind not in (Kind.SAID, Kind.DID) or (before is not None and event.number >= before):
        return []
    found = [
        Found(event.number + index, event.at, event.name, line)
        for index, line in enumerate(event.lines)
        if matcher.matches(line) and (before is None or event.number + index < before)
    ]
    return found[::-1]
