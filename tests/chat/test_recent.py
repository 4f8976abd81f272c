"""The last lines of a room, for whoever enters."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.chat.rooms import OneRoom
from threadchat.chat.events import TALK, Event, Kind
from threadchat.chat.formats import PlainFormat, plain
from threadchat.chat.recent import Recent
from threadchat.history.memory import MemoryHistory


class Counting(PlainFormat):
    """A format that counts what it has encoded."""

    encoded = 0

    def event(self, event: Event) -> bytes:
        """Count it."""
        self.encoded += 1
        return super().event(event)


def recent_of(lines: int, *events: Event) -> Recent:
    """Return what a room with this history has at hand."""
    history = MemoryHistory().room("lobby")
    if events:
        history.append(events)
    return Recent(lines, history)


def said(number: int, *lines: str) -> Event:
    return Event(Kind.SAID, number, len(lines), 0, "alice", "\n".join(lines))


def test_it_is_the_last_lines_and_how_far_they_go() -> None:
    recent = recent_of(3, said(1, "a"), said(2, "b"))
    assert recent.replay(plain()) == (2, b"alice: a\nalice: b\n", 2)
    recent.add([said(3, "c", "d")])
    assert recent.replay(plain()) == (3, b"alice: b\nalice: c\nalice: d\n", 4)


def test_comings_and_goings_do_not_push_out_talk() -> None:
    recent = recent_of(1, said(1, "a"))
    recent.add([Event(Kind.JOINED, 2, 1, 0, "", "bob")])
    assert recent.replay(plain()) == (1, b"alice: a\n", 2)


def test_many_who_come_at_once_share_one_encoding() -> None:
    """Also while others come and go."""
    recent, wire = recent_of(20, said(1, "a")), Counting(False, False, False)
    for number in range(2, 100):
        recent.replay(wire)
        recent.add([Event(Kind.JOINED, number, 1, 0, "", "bob")])
    assert wire.encoded == 1
    recent.add([said(100, "b")])
    recent.replay(wire)
    assert wire.encoded == 3


def test_there_may_be_none() -> None:
    recent = recent_of(0, said(1, "a"))
    recent.add([said(2, "b")])
    assert recent.replay(plain()) == (0, b"", 2)


def test_one_that_cannot_be_read_is_read_by_the_next_who_asks() -> None:
    lobby = OneRoom()
    lobby.says(lobby.enters("ann"), "a")
    recent = Recent(20, lobby.room.history)
    lobby.history.failing = {"read"}
    assert recent.replay(plain()) == (0, b"", 1)
    lobby.history.failing = set()
    assert recent.replay(plain()) == (1, b"ann: a\n", 1)


@given(st.lists(st.tuples(st.sampled_from([Kind.SAID, Kind.DID, Kind.JOINED]), st.integers(1, 4))), st.integers(0, 6))
def test_it_is_always_the_last_of_all(happened: list[tuple[Kind, int]], most: int) -> None:
    """Whatever happens, in pieces of whatever size."""
    recent, lines, number = recent_of(most), list[bytes](), 0
    assert recent.replay(plain()) == (0, b"", 0)
    for kind, size in happened:
        event = Event(kind, number + 1, size, 0, "a", "\n".join(str(number + 1 + i) for i in range(size)))
        number = event.last
        recent.add([event])
        if kind in TALK:
            lines += plain().event(event).splitlines(keepends=True)
    expected = lines[-most:] if most else []
    assert recent.replay(plain()) == (len(expected), b"".join(expected), number)
