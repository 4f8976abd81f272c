"""Who is behind gets everything, once, in order; and then the room itself again."""

from __future__ import annotations

import threading

import pytest

from tests.chat.rooms import OneRoom, Visitor
from threadchat.chat.catchup import PIECE_BYTES, go_on


@pytest.fixture
def lobby() -> OneRoom:
    return OneRoom()


def in_lobby(lobby: OneRoom) -> tuple[Visitor, Visitor]:
    """Return ann and bob."""
    return lobby.enters("ann"), lobby.enters("bob")


class TestSlowReaders:
    def test_one_that_drains_gets_what_it_could_not_take(self, lobby: OneRoom) -> None:
        ann, bob = in_lobby(lobby)
        lobby.says(ann, "a")
        bob.sink.full = True
        lobby.says(ann, "b")
        lobby.says(ann, "c", "d")
        assert bob.sees() == ["#1 ann: a"]
        bob.sink.drains()
        assert bob.sees() == ["#2 ann: b", "#3 ann: c", "#4 ann: d"]
        lobby.says(ann, "live")
        assert bob.sees() == ["#5 ann: live"]
        assert bob.member.behind is None

    def test_it_does_not_get_what_it_said_itself(self, lobby: OneRoom) -> None:
        """Neither in the batch it could not take, nor afterwards."""
        ann, bob = in_lobby(lobby)
        bob.sink.full = True
        lobby.says(ann, "a")
        lobby.says(bob, "mine", "and mine")
        lobby.says(ann, "b")
        bob.sink.drains()
        assert bob.sees() == ["#1 ann: a", "#4 ann: b"]

    def test_it_gets_no_more_than_it_takes(self, lobby: OneRoom) -> None:
        """A piece at a time: the next one when it has taken that."""
        ann, bob = in_lobby(lobby)
        bob.sink.full = True
        for _ in range(5):
            lobby.says(ann, "x" * (PIECE_BYTES // 2))
        bob.sink.fills = True
        seen = []
        for _ in range(3):
            bob.sink.drains()
            seen.append([line[:2] for line in bob.sees()])
        assert seen == [["#1", "#2"], ["#3", "#4"], ["#5"]]

    def test_what_is_not_kept_any_more_is_a_gap(self) -> None:
        """With its range, in its place."""
        lobby = OneRoom(lines=2)
        ann, bob = in_lobby(lobby)
        bob.sink.full = True
        for text in "abcde":
            lobby.says(ann, text)
        bob.sink.drains()
        assert bob.sees() == ["* #1 to #3 are missing here: they are not kept.", "#4 ann: d", "#5 ann: e"]

    def test_a_gap_may_be_all_there_is(self, lobby: OneRoom) -> None:
        ann, bob = in_lobby(lobby)
        bob.sink.full = True
        lobby.history.failing = {"written"}
        lobby.says(ann, "lost")
        bob.sink.drains()
        assert bob.sees() == ["* #1 is missing here: it is not kept."]
        lobby.says(ann, "live")
        assert bob.sees() == ["#2 ann: live"]

    def test_what_cannot_be_read_is_said_once_with_its_range(self, lobby: OneRoom) -> None:
        """And how to have it later."""
        ann, bob = in_lobby(lobby)
        bob.sink.full = True
        lobby.says(ann, "a", "b")
        lobby.history.failing = {"read"}
        bob.sink.drains()
        assert bob.sees() == ["* #1 to #2 cannot be read just now. Try /since 0 later."]
        lobby.says(ann, "live")
        assert bob.sees() == ["#3 ann: live"]


class TestBatchesThatAreUnderWay:
    """A batch is taken first, then kept, then sent. Whoever reads the history may look in between."""

    def test_what_is_kept_after_a_look_is_not_missed(self, lobby: OneRoom, monkeypatch: pytest.MonkeyPatch) -> None:
        """Though the room's last number has changed since."""
        ann, bob = in_lobby(lobby)
        bob.sink.full = True
        lobby.says(ann, "a")
        history = lobby.room.history
        read = history.read

        def read_before_somebody_speaks(after: int, most_bytes: int) -> object:
            events = read(after, most_bytes)
            monkeypatch.setattr(history, "read", read)
            lobby.says(ann, "b")
            return events[:0]  # as if it had been read before #1 was kept

        monkeypatch.setattr(history, "read", read_before_somebody_speaks)
        bob.sink.drains()
        assert bob.sees()[-1] == "#2 ann: b"

    def test_one_that_finds_nothing_yet_looks_again(self, lobby: OneRoom, monkeypatch: pytest.MonkeyPatch) -> None:
        """If a batch was taken, but is not kept."""
        ann, bob = in_lobby(lobby)
        append = lobby.room.history.append

        def slowly(events: object) -> None:
            carol.append(lobby.enters("carol"))
            append(events)  # type: ignore[arg-type]

        carol: list[Visitor] = []
        monkeypatch.setattr(lobby.room.history, "append", slowly)
        lobby.says(ann, "a")
        assert carol[0].sees() == []
        lobby.later.pass_time(1.0)
        assert carol[0].sees() == ["#1 ann: a"]
        assert bob.sees() == ["#1 ann: a"]
        monkeypatch.undo()
        lobby.says(ann, "b")
        assert carol[0].sees() == ["#2 ann: b"]


class TestAnotherRoom:
    """Whoever goes to another room while behind is behind there, not here."""

    def test_nothing_of_the_old_room_reaches_them(self, lobby: OneRoom) -> None:
        """Neither what they had not read, nor a batch that is still on its way; and they hear the new one."""
        ann, bob = in_lobby(lobby)
        bob.sink.full = True
        lobby.says(ann, "a")
        other = OneRoom()
        eve = other.enters("eve")
        lobby.leaves(bob)
        other.room.admit(bob.member)
        lobby.room._catch_up.fall_behind(bob.member, 0)  # what a deliverer does whose batch was refused
        other.room.enter(bob.member)
        bob.sink.drains()
        lobby.later.pass_time(1.0)
        other.says(eve, "hello")
        assert bob.sees() == ["#1 eve: hello"]

    def test_the_numbers_of_what_they_said_in_the_old_room_mean_nothing(self, lobby: OneRoom) -> None:
        ann, bob = in_lobby(lobby)
        other = OneRoom()
        eve = other.enters("eve")
        lobby.leaves(bob)
        other.room.admit(bob.member)
        lobby.says(bob, "my last words")  # which come late
        bob.sink.full = True
        other.room.enter(bob.member)
        other.says(eve, "hello")
        bob.sink.drains()
        assert bob.sees() == ["#1 eve: hello"]
        assert ann.sees() == ["#1 bob: my last words"]

    def test_nobody_sees_their_own_coming(self, lobby: OneRoom, monkeypatch: pytest.MonkeyPatch) -> None:
        """Though it may be kept only after they have been shown what was said before."""
        lobby.enters("ann")
        bob = Visitor("bob")
        append = lobby.room.history.append

        def enters_first(events: object) -> None:
            lobby.room.enter(bob.member)
            append(events)  # type: ignore[arg-type]

        monkeypatch.setattr(lobby.room.history, "append", enters_first)
        lobby.room.admit(bob.member)
        lobby.room.joined(bob.member, "bob")
        lobby.later.pass_time(1.0)
        assert bob.sees() == []
        assert bob.member.behind is None


class TestRewinds:
    """/since: everything after a number, then what comes."""

    def test_they_see_everything_after_the_number_again(self, lobby: OneRoom) -> None:
        """Also what they said, as a new client would."""
        ann, bob = in_lobby(lobby)
        lobby.says(ann, "a", "b")
        lobby.says(bob, "c")
        bob.sees()
        lobby.room.rewind(bob.member, 1, "Everything after #1:")
        lobby.later.pass_time(0.0)
        assert bob.sees() == ["* Everything after #1:", "#2 ann: b", "#3 bob: c"]
        lobby.says(ann, "live")
        assert bob.sees() == ["#4 ann: live"]

    def test_what_is_said_in_the_same_moment_is_seen_once(
        self, lobby: OneRoom, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Behind the header if it was said after, and their own not at all."""
        ann, bob = in_lobby(lobby)
        append = lobby.room.history.append

        def meanwhile(events: object) -> None:
            monkeypatch.setattr(lobby.room.history, "append", append)
            lobby.says(ann, "before")
            lobby.room.rewind(bob.member, 0, "Everything after #0:")
            lobby.says(ann, "after")
            lobby.says(bob, "mine")
            append(events)  # type: ignore[arg-type]

        monkeypatch.setattr(lobby.room.history, "append", meanwhile)
        lobby.says(ann, "first")
        lobby.later.pass_time(1.0)
        again = ["* Everything after #0:", "#1 ann: first", "#2 ann: before", "#3 ann: after"]
        assert bob.sees() == ["#1 ann: first", "#2 ann: before", *again]
        lobby.says(ann, "live")
        assert bob.sees() == ["#5 ann: live"]
        assert ann.sees() == ["#4 bob: mine"]

    def test_a_slow_reader_may_ask_too(self, lobby: OneRoom) -> None:
        """It sees the header when it reads again, and nothing from before behind it."""
        ann, bob = in_lobby(lobby)
        bob.sink.full = True
        lobby.says(ann, "a")
        lobby.says(ann, "b")
        lobby.room.rewind(bob.member, 1, "Everything after #1:")
        assert bob.sees() == []
        bob.sink.drains()
        assert bob.sees() == ["* Everything after #1:", "#2 ann: b"]

    def test_whoever_has_left_meanwhile_is_left_alone(self, lobby: OneRoom, monkeypatch: pytest.MonkeyPatch) -> None:
        ann, bob = in_lobby(lobby)
        other = OneRoom()
        eve = other.enters("eve")
        append = lobby.room.history.append

        def meanwhile(events: object) -> None:
            lobby.room.rewind(bob.member, 0, "Everything after #0:")
            lobby.leaves(bob)
            other.room.admit(bob.member)
            other.room.enter(bob.member)
            append(events)  # type: ignore[arg-type]

        monkeypatch.setattr(lobby.room.history, "append", meanwhile)
        lobby.says(ann, "first")
        lobby.later.pass_time(1.0)
        bob.sees()
        other.says(eve, "hello")
        assert bob.sees() == ["#1 eve: hello"]


def test_many_threads_that_work_for_one_reader_send_nothing_twice(lobby: OneRoom) -> None:
    """Whoever calls, and however often."""
    ann, bob = in_lobby(lobby)
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.0001):
            go_on(bob.member)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(1, 1001):
        if number % 7 == 0:
            bob.sink.full = True
        lobby.says(ann, f"line {number}")
        if number % 7 == 3:
            bob.sink.drains()
    bob.sink.drains()
    lobby.later.pass_time(1.0)
    stop.set()
    for thread in threads:
        thread.join()
    lobby.later.pass_time(1.0)
    assert bob.sees() == [f"#{number} ann: line {number}" for number in range(1, 1001)]
