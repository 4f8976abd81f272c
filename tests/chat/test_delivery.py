"""A batch of events on its way to members: everything but one's own, in one's own format, in one piece."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import ListSink
from threadchat.chat.delivery import Post, own_places, send_posts
from threadchat.chat.events import Event, Kind
from threadchat.chat.formats import plain
from threadchat.chat.member import Member


def people(count: int) -> tuple[list[Member], list[ListSink]]:
    sinks = [ListSink() for _ in range(count)]
    return [Member(f"p{number}", sink) for number, sink in enumerate(sinks)], sinks


def batch(members: list[Member], said: list[tuple[int, int]]) -> list[Post]:
    """Return posts of members, by their index (-1: nobody), each of so many lines."""
    posts, number = [], 1
    for author, size in said:
        text = "\n".join(f"line {number + line}" for line in range(size))
        name = members[author].name if author >= 0 else "nobody"
        posts.append(Post(members[author] if author >= 0 else None, Event(Kind.SAID, number, size, 0, name, text)))
        number += size
    return posts


@given(st.lists(st.tuples(st.integers(-1, 3), st.integers(1, 3)), min_size=1), st.lists(st.booleans(), min_size=4))
def test_everybody_gets_everything_but_their_own(said: list[tuple[int, int]], crlf: list[bool]) -> None:
    members, sinks = people(4)
    for member, wants in zip(members, crlf, strict=False):
        member.format = plain(crlf=wants)
    posts = batch(members, said)
    assert send_posts(posts, own_places(posts), members) == []
    for member, sink in zip(members, sinks, strict=True):
        expected = b"".join(member.format.event(event) for author, event in posts if author is not member)
        assert sink.data == expected
        assert len(sink.pieces) == (1 if expected else 0)


def test_those_with_one_format_share_one_encoding() -> None:
    members, sinks = people(6)
    for member in members[3:]:
        member.format = plain(numbers=True)
    posts = batch(members, [(-1, 1), (-1, 2)])
    send_posts(posts, own_places(posts), members)
    assert len({id(piece) for sink in sinks for piece in sink.pieces}) == 2


def test_whoever_has_no_room_is_refused_the_whole_batch() -> None:
    """But not one for whom there is nothing in it."""
    members, sinks = people(3)
    sinks[0].full = sinks[1].full = True
    posts = batch(members, [(0, 1), (0, 1)])
    assert send_posts(posts, own_places(posts), members) == [members[1]]
    assert [sink.lines for sink in sinks] == [[], [], ["p0: line 1", "p0: line 2"]]
