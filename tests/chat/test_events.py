"""Events: lines with numbers."""

from __future__ import annotations

from threadchat.chat.events import Event, Kind

EVENT = Event(Kind.SAID, 10, 3, 0, "alice", "a\nb\nc")


def test_every_line_of_an_event_has_a_number() -> None:
    assert (EVENT.last, EVENT.lines) == (12, ["a", "b", "c"])


def test_an_event_can_be_cut_at_a_number() -> None:
    """For whoever has seen its beginning."""
    assert EVENT.after(9) == EVENT
    assert EVENT.after(10) == EVENT._replace(number=11, size=2, text="b\nc")
    assert EVENT.after(11) == EVENT._replace(number=12, size=1, text="c")
