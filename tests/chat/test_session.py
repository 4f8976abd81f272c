"""A session: the chat protocol's rules (what a line means), between people without sockets."""

from __future__ import annotations

import json
from typing import cast

import pytest

from tests.chat.people import WELCOME, Chat, Person, at_once, new_hub
from tests.fakes import FakeClock, FakeLater, ListSink
from threadchat.chat.caller import ANNOUNCED_COST
from threadchat.chat.formats import plain
from threadchat.chat.session import MOST_AT_ONCE, Session, SessionState, up_to_command
from threadchat.history.memory import MemoryHistory


@pytest.fixture
def chat() -> Chat:
    """An empty chat."""
    return Chat()


class TestGreeting:
    """What a newcomer hears, and who hears of the newcomer."""

    def test_the_welcome_is_the_first_line_exactly(self, chat: Chat) -> None:
        """Then who one is, who is there, and how to get help."""
        first, second = Person(chat.hub), Person(chat.hub)
        assert first.hears()[:2] == [WELCOME, "* You are guest-1, alone in lobby. Type /help for help."]
        assert second.hears() == [WELCOME, "* You are guest-2, with guest-1 in lobby. Type /help for help."]

    def test_comings_and_goings_are_announced(self, chat: Chat) -> None:
        """To the others."""
        ann = chat.enter("ann")
        bob = chat.enter()
        bob.says("/nick bob")
        bob.leaves()
        assert ann.hears() == ["* guest-2 joined", "* guest-2 is now bob", "* bob left"]

    def test_a_listener_may_ask_for_the_name(self, chat: Chat) -> None:
        """With a last line of its own."""
        assert Person(chat.hub, ask_name=True).hears()[-1] == "* What is your name?"


class TestTalk:
    """Lines, from one to all others."""

    def test_a_line_goes_to_everybody_else_under_the_talkers_name(self, chat: Chat) -> None:
        """The talker knows what they said."""
        ann, bob, eve = chat.of("ann", "bob", "eve")
        ann.says("hi there")
        assert bob.hears() == eve.hears() == ["ann: hi there"]
        assert ann.hears() == []

    def test_a_guest_may_talk(self, chat: Chat) -> None:
        """Under the guest name."""
        ann, guest = chat.enter("ann"), chat.enter()
        ann.hears()
        guest.says("hi", "you")
        assert ann.hears() == ["guest-2: hi", "guest-2: you"]

    def test_a_line_stays_in_its_room(self, chat: Chat) -> None:
        """Other rooms hear nothing of it."""
        ann, bob, eve = chat.of("ann", "bob", "eve")
        for person in (ann, eve):
            person.says("/join den")
        for person in (ann, bob, eve):
            person.hears()
        ann.says("psst")
        assert eve.hears() == ["ann: psst"]
        assert bob.hears() == []

    @pytest.mark.parametrize("blank", ["", " ", "\t", "\u3000"])
    def test_a_blank_line_is_not_said(self, chat: Chat, blank: str) -> None:
        """It would say nothing."""
        ann, bob = chat.of("ann", "bob")
        ann.says(blank, "hi", blank)
        assert bob.hears() == ["ann: hi"]

    def test_two_slashes_say_a_line_that_begins_with_one(self, chat: Chat) -> None:
        """And only one slash is taken away."""
        ann, bob = chat.of("ann", "bob")
        ann.says("//shrug", "///three", "and/or //")
        assert bob.hears() == ["ann: /shrug", "ann: //three", "ann: and/or //"]


class TestCommandsAmongLines:
    """Order is kept, and nothing that looks like a command is relayed."""

    def test_commands_amid_lines_keep_the_order(self, chat: Chat) -> None:
        """Each line is said under the name, and in the room, of its moment."""
        ann, bob = chat.of("ann", "bob")
        ann.says("one", "/nick eve", "two", "three", "/join den", "four")
        assert bob.hears() == ["ann: one", "* ann is now eve", "eve: two", "eve: three", "* eve left for den"]

    def test_an_unknown_command_is_told_and_not_relayed(self, chat: Chat) -> None:
        """It may be a password."""
        ann, bob = chat.of("ann", "bob")
        ann.says("/login secret")
        assert bob.hears() == []
        (told,) = ann.hears()
        assert told.startswith("* There is no command /login")
        assert "secret" not in told

    def test_after_a_mistake_the_next_line_is_taken(self, chat: Chat) -> None:
        """A wrong command costs itself only."""
        ann, bob = chat.of("ann", "bob")
        ann.says("/nick", "hi")
        assert bob.hears() == ["ann: hi"]

    @pytest.mark.parametrize("command", ["/quit", "/QUIT", "/Quit", "/exit", "/EXIT", "/quit now"])
    def test_quit_hangs_up(self, chat: Chat, command: str) -> None:
        """In any case, by either name, with a goodbye."""
        ann, bob = chat.of("ann", "bob")
        ann.says(command)
        assert ann.hears() == ["* Goodbye!"]
        assert ann.hung_up == 1
        assert bob.hears() == []

    def test_nothing_is_said_after_quit(self, chat: Chat) -> None:
        """What came in the same read was sent by somebody who had left."""
        ann, bob = chat.of("ann", "bob")
        ann.says("bye", "/quit", "still here?", "/nick ghost", "/quit")
        assert bob.hears() == ["ann: bye"]
        assert ann.hears() == ["* Goodbye!"]
        assert ann.hung_up == 1


class TestSelfPrefixing:
    """Clients that write their user's name in front of each line themselves."""

    def test_the_first_line_names_the_guest(self, chat: Chat) -> None:
        """Everybody sees ``John: Hi`` once, and the guest is told of the name."""
        ann, john = chat.of("ann", "")
        john.says("John: Hi")
        assert john.name == "John"
        assert john.hears() == ["* You are now John"]
        assert ann.hears() == ["* guest-2 is now John", "John: Hi"]

    def test_the_prefix_is_dropped_from_later_lines_of_that_form(self, chat: Chat) -> None:
        """And from no others."""
        ann, john = chat.of("ann", "")
        john.says("John: Hi", "John: how are you?", "no prefix", "Ann: you", "John:tight", "so John: yes")
        assert [line for line in ann.hears() if not line.startswith("*")] == [
            "John: Hi",
            "John: how are you?",
            "John: no prefix",
            "John: Ann: you",
            "John: John:tight",
            "John: so John: yes",
        ]

    def test_commands_behind_the_prefix_are_commands(self, chat: Chat) -> None:
        """A client that writes its prefix in front of everything can still use them."""
        ann, john = chat.of("ann", "")
        john.says("John: Hi", "John: /quit")
        assert john.hung_up == 1
        assert "John: /quit" not in ann.hears()

    def test_the_prefix_the_client_has_shown_is_dropped_after_a_rename(self, chat: Chat) -> None:
        """The client does not know of ``/nick``: both its prefix and the new name are left out."""
        ann, john = chat.of("ann", "")
        john.says("John: Hi", "John: /nick jack", "John: one", "jack: two")
        assert ann.hears()[-2:] == ["jack: one", "jack: two"]

    def test_a_name_in_another_form_is_adopted_as_it_was_sent(self, chat: Chat) -> None:
        """The prefix dropped is the client's own spelling."""
        ann, john = chat.of("ann", "")
        john.says("Ｊｏｈｎ: Hi", "Ｊｏｈｎ: again")
        assert ann.hears()[-2:] == ["John: Hi", "John: again"]

    @pytest.mark.parametrize("wanted", ["John", "JOHN", "jоhn", "server", "*bob"])
    def test_a_taken_or_forbidden_name_leaves_the_guest_name(self, chat: Chat, wanted: str) -> None:
        """The guest is told, and the line is shown under the guest name: nobody speaks as John but John."""
        john, guest = chat.of("John", "")
        guest.says(f"{wanted}: Hi")
        (told,) = guest.hears()
        assert told.startswith("* ")
        assert told.endswith("You are still guest-2.")
        assert john.hears() == [f"guest-2: {wanted}: Hi"]
        guest.says("another")
        assert john.hears() == ["guest-2: another"]

    def test_only_the_first_line_is_looked_at(self, chat: Chat) -> None:
        """Later, ``Note: this`` is just a line."""
        ann, guest = chat.of("ann", "")
        guest.says("hello", "John: Hi")
        assert ann.hears() == ["guest-2: hello", "guest-2: John: Hi"]

    def test_a_line_with_two_slashes_is_a_first_line(self, chat: Chat) -> None:
        """It is said, so what follows is not the first any more."""
        ann, guest = chat.of("ann", "")
        guest.says("//shrug", "Note: this")
        assert ann.hears() == ["guest-2: /shrug", "guest-2: Note: this"]

    def test_commands_come_before_the_first_line(self, chat: Chat) -> None:
        """A guest may look around first."""
        ann, guest = chat.of("ann", "")
        guest.says("/who", "John: Hi")
        assert ann.hears()[-1] == "John: Hi"

    def test_who_has_a_name_keeps_it(self, chat: Chat) -> None:
        """After ``/nick`` a first line of that form is just a line."""
        ann, bob = chat.of("ann", "bob")
        bob.says("Note: this")
        assert ann.hears() == ["bob: Note: this"]

    def test_ones_own_name_in_front_is_dropped_anyway(self, chat: Chat) -> None:
        """A client whose user took the name with ``/nick`` may write it, too."""
        ann, bob = chat.of("ann", "bob")
        bob.says("bob: hi")
        assert ann.hears() == ["bob: hi"]

    def test_two_words_are_no_name(self, chat: Chat) -> None:
        """``To all: hi`` is a line."""
        ann, guest = chat.of("ann", "")
        guest.says("To all: hi")
        assert ann.hears() == ["guest-2: To all: hi"]
        assert guest.hears() == []

    def test_a_prefix_alone_names_and_says_nothing(self, chat: Chat) -> None:
        """There is no text behind it."""
        ann, john = chat.of("ann", "")
        john.says("John: ")
        assert john.name == "John"
        assert ann.hears() == ["* guest-2 is now John"]


class TestAskedForAName:
    """Listeners whose clients send the name as a line of its own first."""

    def test_the_first_line_is_the_name(self, chat: Chat) -> None:
        """It is not said; the next one is."""
        ann, guest = chat.enter("ann"), chat.enter(ask_name=True)
        ann.hears()
        guest.says(" John ", "Hi")
        assert ann.hears() == ["* guest-2 is now John", "John: Hi"]

    @pytest.mark.parametrize("answer", ["Ann", "two words", "<REGISTER>:Bob", "Hello|Bob"])
    def test_who_cannot_be_called_that_is_a_guest_who_is_heard(self, chat: Chat, answer: str) -> None:
        """A program will not do better when it is asked again: it is told why, and what comes next is said."""
        ann, guest = chat.enter("ann"), chat.enter(ask_name=True)
        for person in (ann, guest):
            person.hears()
        guest.says(answer)
        (told,) = guest.hears()
        assert told.endswith(" You are still guest-2. /nick NAME changes that.")
        guest.says("Hi", "John: Hi")
        assert guest.hears() == []
        assert ann.hears() == ["guest-2: Hi", "guest-2: John: Hi"]

    def test_a_prefixed_line_with_a_name_that_cannot_be_is_said(self, chat: Chat) -> None:
        """Under the guest name, as it is where nobody asks."""
        ann, guest = chat.enter("ann"), chat.enter(ask_name=True)
        ann.hears()
        guest.says("Ann: Hi", "John: Hi")
        assert ann.hears() == ["guest-2: Ann: Hi", "guest-2: John: Hi"]

    def test_a_prefixed_line_is_a_name_and_a_line(self, chat: Chat) -> None:
        """Self-prefixing clients find nothing odd here either."""
        ann, guest = chat.enter("ann"), chat.enter(ask_name=True)
        ann.hears()
        guest.says("John: Hi")
        assert ann.hears() == ["* guest-2 is now John", "John: Hi"]

    def test_commands_work_before(self, chat: Chat) -> None:
        """``/nick`` answers the question, too."""
        ann, guest = chat.enter("ann"), chat.enter(ask_name=True)
        ann.hears()
        guest.says("/nick John", "Hi")
        assert ann.hears() == ["* guest-2 is now John", "John: Hi"]


class TestStrangers:
    """Nobody hears of those who only look in."""

    @pytest.fixture
    def later(self) -> FakeLater:
        """A timer that waits to be told."""
        return FakeLater(FakeClock())

    @pytest.fixture
    def ann(self, later: FakeLater) -> Person:
        """Somebody who is there and has been announced."""
        ann = Person(new_hub(later.clock, later))
        ann.says("/nick ann")
        ann.hears()
        later.pass_time(10.0)
        return ann

    @pytest.mark.parametrize("lines", [[], [""], ["/who"], ["HELP"], ["help"], ["?"], ["/nick ann"], ["/quit"]])
    def test_looking_in_is_not_announced(self, ann: Person, later: FakeLater, lines: list[str]) -> None:
        """Scanners ask for help, too."""
        guest = Person(ann.session.hub)
        guest.says(*lines)
        guest.leaves()
        later.pass_time(10.0)
        assert ann.hears() == []

    @pytest.mark.parametrize("lines", [["hi"], ["/me waves"], ["/nick bob"], ["/msg ann psst"], ["bob: "], ["//help"]])
    def test_whoever_does_what_people_do_is_announced_at_once(
        self, ann: Person, later: FakeLater, lines: list[str]
    ) -> None:
        """Before what they say; and their leaving is."""
        guest = Person(ann.session.hub)
        guest.says(*lines)
        assert ann.hears()[0] == f"* {guest.name} joined"
        guest.leaves()
        later.pass_time(10.0)
        assert ann.hears() == [f"* {guest.name} left"]

    def test_first_words_that_ask_for_help_are_answered(self, ann: Person) -> None:
        """Later they are words."""
        guest = Person(ann.session.hub)
        guest.hears()
        guest.says("Help")
        assert any("/nick NAME" in line for line in guest.hears())
        guest.says("hi", "Help")
        assert ann.hears()[-2:] == ["guest-2: hi", "guest-2: Help"]

    def test_a_successor_goes_on_with_a_stranger(self, ann: Person, later: FakeLater) -> None:
        """They are announced when their time is over. Those left by a predecessor without strangers have been."""
        state = Person(ann.session.hub).session.state()
        assert state["stranger_until"] > later.clock.now
        for until, heard in ((state["stranger_until"], ["* guest-9 joined"]), (None, [])):
            after = FakeLater(FakeClock(later.clock.now))
            hub = new_hub(after.clock, after)
            there, guest = Person(hub), Person(hub)
            there.says("/nick ann")
            there.hears()
            guest.leaves()
            restored = Session(hub, ListSink(), lambda: None)
            known = {key: value for key, value in state.items() if key != "stranger_until"} | {"name": "guest-9"}
            restored.restore(cast(SessionState, known | ({"stranger_until": until} if until else {})))
            after.pass_time(10.0)
            assert there.hears() == heard


class TestCtrlC:
    """People who try to leave as they leave every other program."""

    def test_it_is_answered_with_the_way_out_once(self, chat: Chat) -> None:
        """As a key, or as the two characters that some terminals make of it."""
        ann, bob = chat.of("ann", "bob")
        ann.session.interrupt()
        assert ann.hears() == ["* /quit leaves."]
        ann.session.interrupt()
        assert ann.hears() == bob.hears() == []

    def test_the_two_characters_are_not_said(self, chat: Chat) -> None:
        """The first time; later they are talk."""
        ann, bob = chat.of("ann", "bob")
        ann.says("^C", "^C copies")
        assert ann.hears() == ["* /quit leaves."]
        assert bob.hears() == ["ann: ^C copies"]
        ann.says("^C")
        assert bob.hears() == ["ann: ^C"]


@pytest.mark.parametrize(
    ("lines", "count"),
    [
        (["a", "b"], 2),
        (["a", "/me b", "c"], 2),
        (["John: /nick x", "b"], 1),
        (["a http://b/c", "see /etc"], 2),
        ([], 0),
        (["a"] * 1000, MOST_AT_ONCE),
    ],
)
def test_lines_can_be_taken_together_up_to_a_command(lines: list[str], count: int) -> None:
    """A paste full of addresses is no row of commands."""
    assert up_to_command(lines) == count


@pytest.mark.parametrize(
    ("line", "owed"),
    [
        ("/nick eve", ANNOUNCED_COST),
        ("/join den", ANNOUNCED_COST),
        ("/nick ann", 0),  # nothing has changed
        ("/nick Bob", 0),  # refused
        ("/join lobby", 0),
        ("/me x", 0),
        ("/msg bob hi", 0),
        ("/who", 0),
        ("hi", 0),
    ],
)
def test_what_everybody_is_told_costs_more_than_talk(chat: Chat, line: str, owed: int) -> None:
    """Where it succeeds: who was refused has told nobody anything."""
    ann, _ = chat.of("ann", "bob")
    ann.says(line)
    assert ann.session.owed == owed


@pytest.mark.parametrize("line", ["/nick eve", "eve: hi"])
def test_a_guests_first_name_is_free(chat: Chat, line: str) -> None:
    """Everybody needs one."""
    guest = chat.enter()
    guest.says(line)
    assert (guest.name, guest.session.owed) == ("eve", 0)


class TestSuccessors:
    """What another process must know of a session."""

    def test_how_lines_are_written_is_kept(self, chat: Chat) -> None:
        (ann, bob) = chat.of("ann", "bob")
        bob.says("/numbers on", "/times on")
        bob.moves_to(other := Chat().hub)
        assert bob.session.member.format is plain(numbers=True, times=True)
        ann.moves_to(other)
        assert ann.session.member.format is plain()

    def test_whoever_lags_goes_on_where_they_were(self, chat: Chat) -> None:
        """With what they had not read, without what they said, behind the header they had not seen."""
        ann, bob = chat.of("ann", "bob")
        bob.sink.full = True
        ann.says("a")
        bob.says("mine")
        bob.says("/numbers on")
        number = ann.session.room.number
        ann.says("b")
        state = bob.session.state()
        assert state["behind"] == {"position": number - 2, "own": [number], "header": ""}
        history = MemoryHistory()
        history.restore(json.loads(json.dumps(chat.history.state())))
        clock = FakeClock()
        again = new_hub(clock, at_once(clock), history)
        for person in (ann, bob):
            person.moves_to(again)
        for person in (ann, bob):
            person.session.resume()
        assert bob.hears() == []
        bob.sink.drains()
        assert bob.hears() == [f"#{number - 1} ann: a", f"#{number + 1} ann: b"]

    def test_states_of_older_versions_are_understood(self, chat: Chat) -> None:
        """They knew no numbers, no times, and nobody who was behind."""
        state = chat.enter("ann").session.state()
        for key in ("numbers", "times", "behind", "stranger_until"):
            del state[key]  # type: ignore[misc]
        session = Session(Chat().hub, ListSink(), lambda: None)
        session.restore(state)
        assert (session.member.behind, session.member.format) == (None, plain())
