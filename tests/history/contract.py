"""What every history does, wherever it keeps things: a class derives from this for each of them."""

from __future__ import annotations

import threading

import pytest

from tests.fakes import FakeClock
from tests.history.talk import NOW, Talk, texts
from threadchat.chat.events import Event, Kind
from threadchat.chat.history import Found, Gap, History
from threadchat.history.selecting import Bounds

BOUNDS = Bounds(lines=10, age=0.0, comings=5)


class HistoryContract:
    """Derive from it, with a fixture ``history`` that makes one with the given bounds and clock."""

    @pytest.fixture
    def bounds(self) -> Bounds:
        return BOUNDS

    @pytest.fixture
    def clock(self) -> FakeClock:
        return FakeClock(NOW / 1000)

    @pytest.fixture
    def history(self) -> History:
        raise NotImplementedError

    def trim(self, history: History) -> None:
        """Have everything forgotten that is over the bounds."""

    @pytest.fixture
    def talk(self, history: History) -> Talk:
        return Talk(history.room("lobby"))

    def test_a_new_room_has_nothing(self, history: History, talk: Talk) -> None:
        room = talk.room
        assert (room.last, room.topic, history.rooms()) == (0, "", [])
        assert (room.read(0, 1000), room.tail(20), room.gaps(0, 0), room.search(["a"], None, 10)) == ([], [], [], [])

    def test_a_room_is_one_object(self, history: History) -> None:
        assert history.room("lobby") is history.room("lobby")

    def test_what_is_appended_is_read_as_it_was(self, talk: Talk) -> None:
        events = [talk.happens(kind, f"{kind} ünï 🎉", name="zoë") for kind in Kind]
        assert talk.room.read(0, 10_000) == events
        assert talk.room.last == len(events)

    def test_one_batch_may_have_several_events(self, talk: Talk) -> None:
        first = talk.event(Kind.JOINED, "bob", "carol")
        second = Event(Kind.SAID, 3, 1, NOW, "bob", "hi")
        talk.room.append([first, second])
        assert talk.room.read(0, 1000) == [first, second]
        assert talk.room.last == 3

    def test_rooms_have_nothing_to_do_with_each_other(self, history: History) -> None:
        lobby, den = Talk(history.room("lobby")), Talk(history.room("den"))
        lobby.says("in the lobby")
        den.says("in the den")
        lobby.says("again")
        assert texts(lobby.room.read(0, 1000)) == ["in the lobby", "again"]
        assert texts(den.room.tail(10)) == ["in the den"]
        assert [found.text for found in lobby.room.search(["in"], None, 10)] == ["again", "in the lobby"]
        assert sorted(history.rooms()) == ["den", "lobby"]

    def test_reading_begins_in_the_middle_of_an_event(self, talk: Talk) -> None:
        talk.says("1", "2", "3")
        talk.says("4")
        (rest, four) = talk.room.read(2, 1000)
        assert (rest.number, rest.size, rest.text) == (3, 1, "3")
        assert four.number == 4
        assert talk.room.read(4, 1000) == []

    def test_reading_stops_when_it_is_enough_but_never_before_it_has_begun(self, talk: Talk) -> None:
        for line in ("one" * 10, "two" * 10, "three" * 10):
            talk.says(line)
        assert len(talk.room.read(0, 1)) == 1
        assert len(talk.room.read(0, 31)) == 2

    def test_the_tail_is_talk_only(self, talk: Talk) -> None:
        """Comings and goings are no reason to see less of what was said."""
        talk.says("hi")
        talk.happens(Kind.JOINED, "bob")
        talk.happens(Kind.DID, "waves")
        for name in "abcdefgh":
            talk.happens(Kind.LEFT, name)
        assert texts(talk.room.tail(20)) == ["hi", "waves"]

    def test_the_tail_is_cut_to_the_line(self, talk: Talk) -> None:
        talk.says("1", "2", "3")
        talk.says("4")
        (rest, four) = talk.room.tail(3)
        assert (rest.number, rest.text, four.text) == (2, "2\n3", "4")
        assert talk.room.tail(0) == []

    def test_the_topic_is_the_last_one(self, history: History, talk: Talk) -> None:
        talk.happens(Kind.TOPIC, "first")
        talk.happens(Kind.TOPIC, "second")
        assert talk.room.topic == "second"
        talk.happens(Kind.TOPIC, "")
        assert talk.room.topic == ""
        assert history.rooms() == ["lobby"]

    def test_who_only_comes_and_goes_makes_no_room_known(self, history: History, talk: Talk) -> None:
        talk.happens(Kind.JOINED, "bob")
        assert history.rooms() == []
        talk.says("hi")
        assert history.rooms() == ["lobby"]

    def test_talk_over_its_bound_is_forgotten_and_a_gap(self, history: History, talk: Talk) -> None:
        for number in range(25):
            talk.says(f"{number + 1}")
        self.trim(history)
        assert texts(talk.room.read(0, 1000)) == texts(talk.room.tail(20)) == [f"{number}" for number in range(16, 26)]
        assert talk.room.gaps(0, 25) == [Gap(1, 15)]
        assert talk.room.gaps(10, 12) == [Gap(11, 12)]
        assert talk.room.gaps(15, 25) == []

    def test_events_are_forgotten_as_a_whole(self, history: History, talk: Talk) -> None:
        talk.says(*"abcdefgh")
        talk.says(*"ijkl")
        self.trim(history)
        assert len(texts(talk.room.read(0, 1000))) == 12
        talk.says(*"mnopqr")
        self.trim(history)
        assert texts(talk.room.read(0, 1000)) == [*"ijklmnopqr"]

    def test_comings_and_goings_have_a_bound_of_their_own_and_are_no_gap(self, history: History, talk: Talk) -> None:
        talk.says("hi")
        for number in range(20):
            talk.happens(Kind.JOINED, f"guest-{number}")
        self.trim(history)
        assert texts(talk.room.read(0, 1000)) == ["hi", *(f"guest-{number}" for number in range(15, 20))]
        assert talk.room.gaps(0, 21) == []

    @pytest.mark.parametrize("bounds", [Bounds(lines=10, age=60.0, comings=5)])
    def test_what_is_too_old_is_forgotten(self, history: History, talk: Talk, clock: FakeClock) -> None:
        talk.says("old")
        talk.happens(Kind.JOINED, "bob")
        clock.advance(50)
        talk.at += 50_000
        talk.says("new")
        self.trim(history)
        assert texts(talk.room.tail(20)) == ["old", "new"]
        clock.advance(20)
        self.trim(history)
        assert texts(talk.room.tail(20)) == texts(talk.room.read(0, 1000)) == ["new"]
        assert talk.room.gaps(0, 3) == [Gap(1, 1)]
        clock.advance(60)
        self.trim(history)
        assert history.rooms() == []
        assert talk.room.last == 3

    @pytest.mark.parametrize("bounds", [Bounds(lines=10, age=60.0, comings=5)])
    def test_a_topic_keeps_its_room(self, history: History, talk: Talk, clock: FakeClock) -> None:
        """Also when the event that has set it is forgotten."""
        talk.happens(Kind.TOPIC, "Tea at four")
        clock.advance(61)
        self.trim(history)
        assert talk.room.tail(1) == []
        assert (talk.room.topic, history.rooms()) == ("Tea at four", ["lobby"])

    def test_lost_numbers_are_gaps(self, talk: Talk) -> None:
        talk.says("1")
        talk.loses(3)
        talk.says("5", "6")
        talk.loses(1)
        talk.loses(1)
        assert talk.room.last == 8
        assert talk.room.gaps(0, 8) == [Gap(2, 4), Gap(7, 8)]
        assert talk.room.gaps(2, 7) == [Gap(3, 4), Gap(7, 7)]
        assert texts(talk.room.read(0, 1000)) == ["1", "5", "6"]

    def test_a_gap_among_what_is_forgotten_is_part_of_that(self, history: History, talk: Talk) -> None:
        talk.says("1")
        talk.loses(2)
        for number in range(4, 17):
            talk.says(f"{number}")
        self.trim(history)
        assert talk.room.gaps(0, 16) == [Gap(1, 6)]

    def test_search_finds_lines_that_have_all_words_the_newest_first(self, talk: Talk) -> None:
        talk.says("Grüße an alle", name="bob")
        talk.says("tea", "alle GRÜSSE", "grün", name="carol")
        talk.happens(Kind.DID, "says GRÜN to alle")
        talk.happens(Kind.TOPIC, "grün alle")
        talk.happens(Kind.JOINED, "grün alle")
        assert talk.room.search(["GRÜ", "alle"], None, 10) == [
            Found(5, NOW, "alice", "says GRÜN to alle"),
            Found(3, NOW, "carol", "alle GRÜSSE"),
            Found(1, NOW, "bob", "Grüße an alle"),
        ]

    def test_search_goes_page_by_page(self, talk: Talk) -> None:
        talk.says("tea 1", "tea 2", "tea 3")
        talk.says("tea 4")
        assert [found.number for found in talk.room.search(["tea"], None, 2)] == [4, 3]
        assert [found.number for found in talk.room.search(["tea"], 3, 2)] == [2, 1]
        assert talk.room.search(["tea"], 1, 2) == []

    @pytest.mark.parametrize(
        "word", ['"', "*", "AND", "NEAR(", "-", "%", "_", "\\", "[", "]", "^", "?", "'", "é[", "é^é]"]
    )
    def test_no_character_in_a_word_is_special(self, talk: Talk, word: str) -> None:
        talk.says("plain", f"x{word}y", "")
        assert [found.text for found in talk.room.search([word], None, 10)] == [f"x{word}y"]

    def test_a_search_for_many_long_words_is_no_problem(self, talk: Talk) -> None:
        words = ["w" * 5000, *(f"ü{number}" for number in range(2000))]
        talk.says(" ".join(words))
        talk.says("w" * 5000)
        assert [found.number for found in talk.room.search(words, None, 10)] == [1]

    def test_anybody_reads_while_somebody_writes(self, talk: Talk) -> None:
        """And nobody sees numbers out of order, twice, or half an event."""
        problems: list[object] = []
        done = threading.Event()

        def reads() -> None:
            while not done.is_set():
                for events in (talk.room.read(0, 1000), talk.room.tail(6)):
                    numbers = [number for event in events for number in range(event.number, event.last + 1)]
                    if numbers != sorted(set(numbers)) or any(len(event.lines) != event.size for event in events):
                        problems.append(events)
                talk.room.search(["b"], None, 3)
                talk.room.gaps(0, 100)

        readers = [threading.Thread(target=reads) for _ in range(6)]
        for reader in readers:
            reader.start()
        for _ in range(300):
            talk.says("a", "b")
        done.set()
        for reader in readers:
            reader.join()
        assert problems == []
