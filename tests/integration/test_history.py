"""A room remembers: what newcomers are shown, and what anybody can ask for. With real daemons."""

from __future__ import annotations

import contextlib
import re
import signal
import sqlite3
from pathlib import Path

import pytest

from tests.conftest import Serve
from tests.running import Running
from tests.talker import Talker

WHERE = pytest.mark.parametrize("options", [(), ("--state",)], ids=["memory", "sqlite"])


def served(serve: Serve, tmp_path: Path, options: tuple[str, ...] = ("--state",)) -> Running:
    """Start a daemon, with a state directory if *options* say so."""
    return serve(*options, *([str(tmp_path / "state")] if options else []))


def newcomer(chat: Running) -> Talker:
    """Return somebody who sees what was said before they came."""
    talker = chat.guest()
    talker.remembers = True
    return talker


def people(chat: Running, *names: str) -> list[Talker]:
    """Return people with these *names*; the first knows that the others have come."""
    first, *others = [chat.person(name) for name in names]
    for name in names[1:]:
        first.waits_for(f"* {name} joined")
    return [first, *others]


def told(alice: Talker, bob: Talker, *lines: str) -> None:
    """Have alice say *lines*, which bob sees."""
    for line in lines:
        alice.says(line)
        bob.sees(f"alice: {line}")


class TestNewcomers:
    @WHERE
    def test_they_see_the_last_twenty_lines(self, serve: Serve, tmp_path: Path, options: tuple[str, ...]) -> None:
        """Introduced and ended; then what is said from then on."""
        chat = served(serve, tmp_path, options)
        alice, bob = people(chat, "alice", "bob")
        told(alice, bob, *[f"line {number}" for number in range(25)])
        carol = newcomer(chat)
        carol.sees(
            "* The last 20 lines here:",
            *[f"alice: line {number}" for number in range(5, 25)],
            "* That was before you came.",
        )
        told(alice, bob, "live")
        carol.sees("alice: live")

    def test_the_first_see_nothing(self, chat: Running) -> None:
        """Not even that there is nothing."""
        alice = newcomer(chat)
        alice.says("/who")
        alice.sees("* 1 in lobby: guest-1")

    def test_comings_and_goings_do_not_push_out_what_was_said(self, chat: Running) -> None:
        alice, bob = people(chat, "alice", "bob")
        told(alice, bob, "the one thing that matters")
        for number in range(25):
            with chat.person(f"visitor{number}"):
                bob.waits_for(f"* visitor{number} joined")
        newcomer(chat).sees("* The last line here:", "alice: the one thing that matters", "* That was before you came.")

    def test_so_does_whoever_goes_to_another_room(self, chat: Running) -> None:
        alice, bob = people(chat, "alice", "bob")
        told(alice, bob, "in the lobby")
        alice.remembers = True
        for room in ("tea", "lobby"):
            alice.says(f"/join {room}")
            alice.sees(f"* You are in {room}, {'alone' if room == 'tea' else 'with bob'}.")
        alice.sees("* The last line here:", "alice: in the lobby", "* That was before you came.")

    def test_how_many_is_configured(self, serve: Serve, tmp_path: Path) -> None:
        """More than fits into a newcomer's queue is no reason to cut them off."""
        config = tmp_path / "long.toml"
        config.write_text(
            '[tcp.servers.lobby]\naddr = "tcp://127.0.0.1:0"\n'
            "limits = { flood_lines_per_second = 0.0, send_queue_bytes = 4096 }\n[history]\nreplay = 300\n"
        )
        chat = serve("--config", str(config))
        alice, bob = people(chat, "alice", "bob")
        lines = [f"{number} {'x' * 3000}" for number in range(300)]
        told(alice, bob, *lines)
        newcomer(chat).sees(
            "* The last 300 lines here:", *[f"alice: {line}" for line in lines], "* That was before you came."
        )

    def test_telnet_gets_its_line_ends(self, chat: Running) -> None:
        """Once it has shown that it is one, also in what was said before."""
        alice, bob = people(chat, "alice", "bob")
        told(alice, bob, "hello")
        carol = newcomer(chat)
        carol.waits_for("* That was before you came.")
        carol.sends(b"\xff\xfb\x18/history\r\n")
        carol.receives(len(b"\xff\xfe\x18"))
        assert carol.next_line() == "* The last line here:\r"
        assert carol.next_line() == "alice: hello\r"
        assert carol.next_line() == "* That was all.\r"
        told(alice, bob, "again")
        assert carol.next_line() == "alice: again\r"


@WHERE
def test_history_shows_as_many_lines_as_asked_for(serve: Serve, tmp_path: Path, options: tuple[str, ...]) -> None:
    """Twenty, unless it is told; with numbers and times as they are chosen."""
    chat = served(serve, tmp_path, options)
    alice, bob = people(chat, "alice", "bob")
    bob.remembers = True
    bob.says("/history")
    bob.sees("* Nothing has been said here that is kept.")
    told(alice, bob, *[f"line {number}" for number in range(30)])
    for asked, first in (("/history", 10), ("/history 25", 5), ("/history 500", 0)):
        bob.says(asked)
        bob.sees(f"* The last {30 - first} lines here:")
        bob.sees(*[f"alice: line {number}" for number in range(first, 30)], "* That was all.")
    bob.says("/times on")
    bob.sees("* Lines begin with their time now.")
    bob.says("/history 1")
    bob.sees("* The last line here:")
    bob.sees_matching(r"\d\d:\d\d alice: line 29")
    bob.sees("* That was all.")
    bob.says("/history many")
    bob.sees("* Usage: /history [LINES]")


@WHERE
def test_since_goes_on_where_somebody_left_off(serve: Serve, tmp_path: Path, options: tuple[str, ...]) -> None:
    """Everything after that number, and then what comes, with dense numbers."""
    chat = served(serve, tmp_path, options)
    alice, bob, carol = people(chat, "alice", "bob", "carol")
    alice.says("/numbers on")
    alice.sees("* Lines begin with their numbers now.")
    bob.says("one")
    number = int(alice.sees_matching(r"#(\d+) bob: one")[1])
    bob.says("two")
    alice.sees(f"#{number + 1} bob: two")
    alice.leaves()
    carol.waits_for("* alice left")
    bob.says("three")
    carol.sees("bob: three")
    again = chat.guest()
    again.says("/numbers on")
    again.sees("* Lines begin with their numbers now.")
    again.says(f"/since #{number}")
    again.sees(f"* Everything after #{number}:", f"#{number + 1} bob: two", f"#{number + 2} * alice left")
    again.sees(f"#{number + 3} bob: three")
    bob.says("four")
    again.sees_matching(r"#\d+ bob: four")
    again.says("/since 99999")
    again.sees_matching(r"\* That is a number from 0 to \d+\.")


@WHERE
def test_search_shows_the_newest_first_a_page_at_a_time(serve: Serve, tmp_path: Path, options: tuple[str, ...]) -> None:
    """All words, in whatever case; the next page without words."""
    chat = served(serve, tmp_path, options)
    alice, bob = people(chat, "alice", "bob")
    told(alice, bob, *[f"the CAFÉ has number {number}" for number in range(30)], "nothing of the kind")
    bob.says("/search café Number")
    for number in range(29, 9, -1):
        bob.sees_matching(rf"#\d+ \d{{4}}-\d\d-\d\d \d\d:\d\d alice: the CAFÉ has number {number}")
    bob.sees("* There are more: /search shows the next ones.")
    bob.says("/search")
    for number in range(9, -1, -1):
        bob.sees_matching(rf"#\d+ .* alice: the CAFÉ has number {number}")
    bob.sees("* That was all.")
    bob.says("/search")
    bob.sees("* Usage: /search WORDS")
    bob.says("/search unheard")
    bob.sees("* No line that is kept has unheard.")


class TestRestarts:
    """What is in a state directory outlives the daemon."""

    def test_words_topics_and_rooms_are_there_again(self, serve: Serve, tmp_path: Path) -> None:
        """And no number is used twice."""
        chat = served(serve, tmp_path)
        alice, bob = people(chat, "alice", "bob")
        for talker in (alice, bob):
            talker.says("/join tea")
            talker.waits_for(f"* You are in tea, {'alone' if talker is alice else 'with alice'}.")
        alice.sees("* bob joined")
        alice.says("/topic Earl Grey")
        alice.sees("* You have set the topic: Earl Grey")
        bob.sees("* alice has set the topic: Earl Grey")
        told(alice, bob, "see you tomorrow")
        assert chat.stop() == 0

        chat = served(serve, tmp_path)
        carol = newcomer(chat)
        carol.says("/rooms")
        carol.sees("* 2 rooms: lobby (1) and tea (0)")
        carol.says("/join tea")
        carol.sees("* You are in tea, alone. The topic is: Earl Grey", "* The last 2 lines here:")
        carol.sees("* alice has set the topic: Earl Grey", "alice: see you tomorrow", "* That was before you came.")
        carol.says("/topic")
        carol.sees("* The topic is: Earl Grey")

    def test_a_program_is_replaced_with_its_database(self, serve: Serve, tmp_path: Path) -> None:
        """SIGUSR2: the new one may open it, whoever is there stays, and numbers go on."""
        chat = served(serve, tmp_path)
        alice, bob = people(chat, "alice", "bob")
        bob.says("/numbers on")
        bob.sees("* Lines begin with their numbers now.")
        alice.says("before")
        number = int(bob.sees_matching(r"#(\d+) alice: before")[1])
        for replaced in (1, 2):
            chat.process.send_signal(signal.SIGUSR2)
            chat.logs("connections_taken_over", replaced)
            alice.says("after")
            bob.sees(f"#{number + replaced} alice: after")

    def test_a_replacement_that_would_be_refused_is_not_tried(self, serve: Serve, tmp_path: Path) -> None:
        """If the database is one that the new program does not know, the old one goes on."""
        chat = served(serve, tmp_path)
        alice, bob = people(chat, "alice", "bob")
        told(alice, bob, "before")
        write_version(tmp_path / "state", 99)
        chat.process.send_signal(signal.SIGUSR2)
        (refused,) = chat.logs("replace_refused")
        assert "a newer threadchat has written it" in refused["problem"]
        told(alice, bob, "after")


class TestRefusals:
    """A state directory that cannot be used is one sentence, and status 2."""

    def test_a_newer_database(self, serve: Serve, tmp_path: Path) -> None:
        chat = served(serve, tmp_path)
        chat.guest()
        chat.stop()
        write_version(tmp_path / "state", 99)
        self._is_refused(served(serve, tmp_path), r"history\.state: .*: a newer threadchat has written it .*")

    def test_a_directory_in_use(self, serve: Serve, tmp_path: Path) -> None:
        served(serve, tmp_path).guest()
        self._is_refused(served(serve, tmp_path), r"history\.state: .*: another threadchat uses it: stop that one, .*")

    def test_a_place_where_there_can_be_none(self, serve: Serve, tmp_path: Path) -> None:
        (tmp_path / "state").touch()
        self._is_refused(served(serve, tmp_path), r"history\.state: .*: file exists")

    @staticmethod
    def _is_refused(chat: Running, sentence: str) -> None:
        assert chat.process.wait(30) == 2
        assert re.fullmatch(f"threadchat: {sentence}\n", chat.output), chat.output


def write_version(state: Path, version: int) -> None:
    """Let the database in *state* be one of another version."""
    with contextlib.closing(sqlite3.connect(state / "history.db")) as database:
        database.execute(f"PRAGMA user_version = {version}")
