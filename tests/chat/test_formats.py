"""How events are written for people."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from threadchat.chat.events import Event, Kind
from threadchat.chat.formats import plain
from threadchat.chat.history import Gap


def event(kind: Kind, text: str, number: int = 7) -> Event:
    return Event(kind, number, text.count("\n") + 1, 1_764_090_000_123, "alice", text)


@pytest.mark.parametrize(
    ("kind", "text", "lines"),
    [
        (Kind.SAID, "hi", ["alice: hi"]),
        (Kind.SAID, "hi\nthere", ["alice: hi", "alice: there"]),
        (Kind.DID, "waves", ["** alice waves"]),
        (Kind.JOINED, "bob", ["* bob joined"]),
        (Kind.JOINED, "a\nb\nc", ["* a joined", "* b joined", "* c joined"]),
        (Kind.JOINED, "a\nb\nc\nd", ["* 4 people joined"]),
        (Kind.LEFT, "bob", ["* bob left"]),
        (Kind.LEFT, "bob dev", ["* bob left for dev"]),
        (Kind.LEFT, "a\nb\nc\nd", ["* 4 people left"]),
        (Kind.RENAMED, "bob rob", ["* bob is now rob"]),
        (Kind.RENAMED, "a b\nc d\ne f\ng h", ["* 4 people changed their names"]),
        (Kind.TOPIC, "Tea", ["* alice has set the topic: Tea"]),
        (Kind.TOPIC, "", ["* alice has removed the topic"]),
        (Kind.MODERATED, "has muted bob", ["* alice has muted bob"]),
    ],
)
def test_every_kind_has_its_lines(kind: Kind, text: str, lines: list[str]) -> None:
    assert plain().event(event(kind, text)).decode().splitlines() == lines
    assert plain(crlf=True).event(event(kind, text)) == "".join(f"{line}\r\n" for line in lines).encode()


def test_lines_can_have_their_numbers() -> None:
    """One that stands for several people has a range of them."""
    numbered = plain(numbers=True)
    assert numbered.event(event(Kind.SAID, "hi\nthere")) == b"#7 alice: hi\n#8 alice: there\n"
    assert numbered.event(event(Kind.JOINED, "a\nb\nc\nd")) == b"#7-10 * 4 people joined\n"


def test_lines_can_have_the_time_of_day() -> None:
    """The server's."""
    assert re.fullmatch(rb"#7 \d\d:\d\d alice: hi\n", plain(numbers=True, times=True).event(event(Kind.SAID, "hi")))
    assert re.fullmatch(rb"\d\d:\d\d alice: hi\n", plain(times=True).event(event(Kind.SAID, "hi")))


def test_each_way_to_write_is_one_object() -> None:
    """So that a batch is encoded once for all who have chosen it."""
    assert plain(numbers=True) is plain(numbers=True)
    assert plain(numbers=True) is not plain()


def test_what_is_for_one_person_is_never_numbered() -> None:
    wire = plain(crlf=True, numbers=True, times=True)
    assert wire.notice("Goodbye!") == b"* Goodbye!\r\n"
    assert wire.line("[from bob] hi") == b"[from bob] hi\r\n"


def test_a_gap_is_told_with_its_range() -> None:
    assert plain().gap(Gap(5, 120)) == b"* #5 to #120 are missing here: they are not kept.\n"
    assert plain().gap(Gap(5, 5)) == b"* #5 is missing here: it is not kept.\n"


@given(st.lists(st.text(st.characters(blacklist_categories=["Cc", "Cs"])), min_size=1), st.booleans(), st.booleans())
def test_lines_that_were_said_come_out_as_they_went_in(lines: list[str], crlf: bool, numbers: bool) -> None:
    """However many, with whatever in them."""
    end = b"\r\n" if crlf else b"\n"
    data = plain(crlf=crlf, numbers=numbers).event(event(Kind.SAID, "\n".join(lines)))
    assert data.endswith(end)
    found = data[: -len(end)].split(end)
    assert found == [f"{f'#{7 + i} ' if numbers else ''}alice: {line}".encode() for i, line in enumerate(lines)]
