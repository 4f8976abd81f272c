"""
The history fails, and the room goes on: told once that nothing is kept, and once that it is again.

The faults are real: a file system without space, one that is read-only, another program's lock, files that are gone,
pages full of garbage. What was lost is a gap that /since tells with its range.
"""

from __future__ import annotations

import itertools
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Serve
from tests.history.places import contents, fill, locked, overwrite_pages, small_disk
from tests.running import Running
from tests.talker import Talker
from tests.waiting import DEADLINE

NOT_KEPT = "* What is said here is not being kept just now."
KEPT_AGAIN = "* What is said here is kept again."


class Story:
    """Alice talks and bob listens; each line is numbered, and all that bob is told is in ``notices``."""

    def __init__(self, serve: Serve, state: Path) -> None:
        config = state.parent / "faults.toml"
        config.write_text(
            '[tcp.servers.lobby]\naddr = "tcp://127.0.0.1:0"\nlimits = { flood_lines_per_second = 0.0 }\n'
            f'[history]\nstate = "{state}"\n'
        )
        self.chat: Running = serve("--config", str(config))
        self.alice, self.bob = self._enters("alice"), self._enters("bob")
        self.alice.waits_for("* bob joined")
        self.bob.says("/numbers on")
        self.bob.waits_for("* Lines begin with their numbers now.")
        self.notices: list[str] = []
        self.said: dict[int, str] = {}
        self._words = itertools.count()

    def _enters(self, name: str) -> Talker:
        talker = self.chat.guest()
        talker.says(f"/nick {name}")
        talker.waits_for(f"* You are now {name}")
        return talker

    def talks(self) -> int:
        """Have alice say something, which bob sees whatever is wrong; return its number."""
        text = f"line {next(self._words)}"
        self.alice.says(text)
        while not (found := re.fullmatch(rf"#(\d+) alice: {text}", line := self.bob.line())):
            self.notices.append(line)
        self.said[int(found[1])] = text
        return int(found[1])

    def talks_until(self, notice: str) -> None:
        """Have alice talk until bob is told *notice*."""
        end = time.monotonic() + DEADLINE
        while notice not in self.notices:
            assert time.monotonic() < end, f"waited in vain for {notice!r}"
            self.talks()

    def breaks_and_works_again(self, breaks: Callable[[], object], mends: Callable[[], object]) -> None:
        """Have what *breaks* the history happen, and what *mends* it; each is told once, and nothing else is."""
        self.talks()
        breaks()
        self.talks_until(NOT_KEPT)
        for _ in range(20):
            self.talks()
        mends()
        self.talks_until(KEPT_AGAIN)
        for _ in range(3):
            self.talks()
        assert self.notices == [NOT_KEPT, KEPT_AGAIN]

    def has_gaps(self, chat: Running | None = None) -> set[int]:
        """See that /since 0 gives every line or tells that it is missing; return the numbers of those missing."""
        last = max(self.said)
        with (chat or self.chat).guest() as carol:
            carol.says("/numbers on")
            carol.waits_for("* Lines begin with their numbers now.")
            carol.says("/since 0")
            carol.waits_for("* Everything after #0:")
            missing: set[int] = set()
            seen: dict[int, str] = {}
            while last not in seen:
                line = carol.line()
                if gap := re.fullmatch(r"\* #(\d+)(?: to #(\d+))? (?:is|are) missing here: .*", line):
                    missing |= set(range(int(gap[1]), int(gap[2] or gap[1]) + 1))
                elif found := re.fullmatch(r"#(\d+) alice: (.*)", line):
                    seen[int(found[1])] = found[2]
        assert {number: text for number, text in self.said.items() if number not in missing} == seen
        return missing

    def restarts(self, serve: Serve, state: Path) -> Running:
        """Return another daemon, with what is on the disk."""
        assert self.chat.stop() == 0
        return serve("--state", str(state))


@pytest.mark.parametrize("again", [False, True], ids=["same daemon", "another daemon"])
def test_a_full_disk(serve: Serve, tmp_path: Path, again: bool) -> None:
    """Holes are known over a restart, too."""
    with small_disk(tmp_path / "disk", "2m") as disk:
        story = Story(serve, disk / "state")
        story.breaks_and_works_again(lambda: fill(disk), (disk / "filler").unlink)
        chat = story.restarts(serve, disk / "state") if again else story.chat
        assert len(story.has_gaps(chat)) >= 20
        chat.stop()


def test_a_lock_of_another_program(serve: Serve, tmp_path: Path) -> None:
    """Whoever talks does not wait for it."""
    story = Story(serve, tmp_path / "state")
    lock = locked(tmp_path / "state" / "history.db")
    story.breaks_and_works_again(lock.__enter__, lambda: lock.__exit__(None, None, None))
    assert len(story.has_gaps()) >= 20


def test_a_database_that_is_deleted(serve: Serve, tmp_path: Path) -> None:
    """A new one is made, in which everything that was said is missing; numbers go on."""
    story = Story(serve, tmp_path / "state")
    before = story.talks()
    for file in (tmp_path / "state").glob("history.db*"):
        file.unlink()
    story.chat.logs("history_reopened")
    after = story.talks()
    assert after > before
    assert before in story.has_gaps()
    assert after not in story.has_gaps()
    again = story.restarts(serve, tmp_path / "state")
    assert before in story.has_gaps(again)


def test_a_directory_that_is_moved_away(serve: Serve, tmp_path: Path) -> None:
    """It is made again; what was said before is where it went."""
    story = Story(serve, tmp_path / "state")
    before = story.talks()
    (tmp_path / "state").rename(tmp_path / "elsewhere")
    story.chat.logs("history_reopened")
    after = story.talks()
    assert story.has_gaps() >= set(range(before, after)) & set(story.said)
    assert contents(tmp_path / "elsewhere" / "history.db")[0] == story.said[before]


def test_a_file_system_that_is_read_only(serve: Serve, tmp_path: Path) -> None:
    """Nobody would start a daemon for that: it is refused with a sentence, and status 2."""
    with small_disk(tmp_path / "disk") as disk:
        story = Story(serve, disk / "state")
        story.talks()
        story.chat.stop()
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        refused = serve("--state", str(disk / "state"))
        assert refused.process.wait(DEADLINE) == 2
        assert refused.output == f"threadchat: history.state: {disk}/state: read-only file system\n"


def test_damaged_pages(serve: Serve, tmp_path: Path) -> None:
    """The database is set aside under another name, said so in the log, and the room goes on with a new one."""
    story = Story(serve, tmp_path / "state")
    for _ in range(50):
        story.talks()
    chat = story.restarts(serve, tmp_path / "state")
    chat.stop()
    overwrite_pages(tmp_path / "state" / "history.db")
    chat = serve("--state", str(tmp_path / "state"))
    (damaged,) = chat.logs("history_damaged")
    assert Path(damaged["moved_to"]).exists()
    bob, alice = chat.person("bob"), chat.person("alice")
    bob.says("/numbers on")
    bob.waits_for("* Lines begin with their numbers now.")
    alice.says("and on it goes")
    number = int(bob.sees_matching(r"#(\d+) alice: and on it goes")[1])
    assert number > max(story.said)
    story.said[number] = "and on it goes"
    assert story.has_gaps(chat) >= set(story.said) - {number}


def test_a_daemon_that_cannot_open_its_history_yet(serve: Serve, tmp_path: Path) -> None:
    """It starts all the same, says so, and keeps what is said as soon as it can."""
    first = Story(serve, tmp_path / "state")
    number = first.talks()
    assert first.chat.stop() == 0
    with locked(tmp_path / "state" / "history.db"):
        story = Story(serve, tmp_path / "state")
        assert story.talks() > number
        assert story.notices in ([], [NOT_KEPT])
    story.talks_until(KEPT_AGAIN)
