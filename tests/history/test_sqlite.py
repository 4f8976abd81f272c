"""History in SQLite outlives everything that can happen to a process, and much that can happen to files."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis.stateful import precondition, rule

from tests import root
from tests.fakes import FakeClock, recording_log
from tests.history.contract import HistoryContract
from tests.history.model import Machine
from tests.history.places import contents, fill, locked, overwrite_pages, small_disk
from tests.history.talk import Talk, texts
from tests.waiting import until
from threadchat.base.errors import ConfigError, HistoryError
from threadchat.chat.events import Kind
from threadchat.chat.history import Gap, History
from threadchat.history.selecting import Bounds
from threadchat.history.sqlite import SqliteHistory

#: So rarely does the thread look by itself in tests that look themselves.
NEVER = 3600.0


class House:
    """A state directory, and the daemons that use it one after the other."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.log: list[MutableMapping[str, Any]] = []
        self._histories: list[SqliteHistory] = []

    def __enter__(self) -> House:
        return self

    def __exit__(self, *problem: object) -> None:
        while self._histories:
            self._histories.pop().close()

    @property
    def database(self) -> Path:
        return self.path / "history.db"

    def opens(self, bounds: Bounds = Bounds(), tick: float = 0.01) -> SqliteHistory:  # noqa: B008, a value
        log, self.log = recording_log()
        self._histories.append(SqliteHistory(self.path, log, bounds, tick=tick))
        self._histories[-1].start()
        return self._histories[-1]

    def logged(self, event: str) -> list[MutableMapping[str, Any]]:
        """Return the log's lines about *event*."""
        return [entry for entry in self.log if entry["event"] == event]

    def closes(self) -> None:
        """Close what is open."""
        self.__exit__()

    def reopens(self) -> SqliteHistory:
        """Restart."""
        self.closes()
        return self.opens()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with House(tmp_path / "state") as house:
        yield house


def keeps(talk: Talk, line: str) -> bool:
    """Whether a *line* is kept; if not, it is noted as lost."""
    event = talk.event(Kind.SAID, line)
    try:
        talk.room.append([event])
    except HistoryError:
        talk.room.note_lost(Gap(event.number, event.last))
        return False
    return True


class TestSqlite(HistoryContract):
    @pytest.fixture
    def history(self, bounds: Bounds, clock: FakeClock, tmp_path: Path) -> Iterator[History]:
        history = SqliteHistory(tmp_path, recording_log()[0], bounds, clock=clock, tick=NEVER)
        yield history
        history.close()

    def trim(self, history: History) -> None:
        assert isinstance(history, SqliteHistory)
        history.housekeeper.look()


class SqliteMachine(Machine):
    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp())
        self.opened = self._open()
        super().__init__(self.opened)
        self.other = sqlite3.connect(self.path / "history.db", isolation_level=None)

    def _open(self) -> SqliteHistory:
        return SqliteHistory(self.path, recording_log()[0], self.BOUNDS, tick=NEVER)

    @rule()
    def restart(self) -> None:
        self.opened.close()
        self.history = self.opened = self._open()

    @precondition(lambda self: not self.fails)
    @rule()
    def trim(self) -> None:
        self.opened.housekeeper.look()
        self.model.trim()

    @precondition(lambda self: not self.fails)
    @rule()
    def another_program_locks_it(self) -> None:
        self.other.execute("BEGIN IMMEDIATE")
        self.fails = True

    @precondition(lambda self: self.fails)
    @rule()
    def it_is_unlocked(self) -> None:
        self.other.execute("ROLLBACK")
        self.fails = False

    def teardown(self) -> None:
        self.other.close()
        super().teardown()
        shutil.rmtree(self.path)


TestModel = SqliteMachine.TestCase
TestModel.settings = settings(max_examples=40, stateful_step_count=40)


class TestRestart:
    """What was kept is there."""

    def test_everything_is_as_it_was(self, house: House) -> None:
        talk = Talk(house.opens().room("lobby"))
        talk.happens(Kind.TOPIC, "Tea at four")
        talk.says("1", "2")
        talk.loses(2)
        talk.says("3")
        before = talk.room.read(0, 1000)

        history = house.reopens()
        room = history.room("lobby")
        assert history.rooms() == ["lobby"]
        assert (room.last, room.topic) == (6, "Tea at four")
        assert room.read(0, 1000) == before == room.tail(20)
        assert room.gaps(0, 6) == [Gap(4, 5)]

    def test_numbers_go_on_even_when_everything_was_forgotten(self, house: House) -> None:
        history = house.opens(Bounds(lines=1, comings=1))
        talk = Talk(history.room("lobby"))
        for number in range(10):
            talk.says(f"{number}")
            talk.happens(Kind.JOINED, f"guest-{number}")
        until(lambda: len(talk.room.read(0, 1000)) == 2, "the rest to be forgotten")
        house.closes()
        (house.path / "numbers").unlink()
        with contextlib.closing(sqlite3.connect(house.database)) as database, database:
            database.execute("DELETE FROM talk")
            database.execute("DELETE FROM comings")

        assert house.opens().room("lobby").last == 18  # as said when the last of them was trimmed

    def test_lost_numbers_are_known_although_nothing_was_kept_since(self, house: House) -> None:
        talk = Talk(house.opens().room("lobby"))
        talk.says("kept")
        with locked(house.database):
            assert not keeps(talk, "lost")
            assert not keeps(talk, "lost too")
            house.closes()  # nothing can be written
        room = house.opens().room("lobby")
        assert room.last == 3
        assert room.gaps(0, 3) == [Gap(2, 3)]

    def test_a_room_made_while_nothing_can_be_kept_has_its_numbers(self, house: House) -> None:
        history = house.opens()
        with locked(house.database):
            assert not keeps(Talk(history.room("new")), "lost")
            house.closes()
        room = house.opens().room("new")
        assert (room.last, room.gaps(0, 1)) == (1, [Gap(1, 1)])

    def test_who_closed_it_properly_need_not_check_it(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        checked: list[object] = []
        monkeypatch.setattr("threadchat.history.database.check", checked.append)
        Talk(house.opens().room("lobby")).says("hi")
        house.closes()
        checked.clear()
        house.opens()
        house.closes()
        assert checked == []
        os.utime(house.database)
        house.opens()
        assert len(checked) == 1

    def test_many_lines_read_back_in_pieces_are_the_same(self, house: House) -> None:
        talk = Talk(house.opens().room("lobby"))
        expected = [talk.says(*(f"{number} {line}" for line in range(number % 7 + 1))) for number in range(500)]
        found, after = [], 0
        room = house.reopens().room("lobby")
        while piece := room.read(after, 1000):
            found += piece
            after = piece[-1].last
        assert found == expected


class TestOthers:
    """Who else may use the directory."""

    def test_a_second_daemon_is_refused(self, house: House) -> None:
        house.opens()
        with pytest.raises(ConfigError, match="another threadchat uses it"):
            house.opens()
        house.reopens()

    def test_a_newer_database_is_refused_and_left_alone(self, house: House) -> None:
        Talk(house.opens().room("lobby")).says("hi")
        house.closes()
        with contextlib.closing(sqlite3.connect(house.database)) as database:
            database.execute("PRAGMA user_version = 99")
        with pytest.raises(ConfigError, match="a newer threadchat has written it"):
            house.opens()
        assert contents(house.database) == ["hi"]

    def test_another_programs_database_is_refused_and_left_alone(self, house: House) -> None:
        house.path.mkdir()
        with contextlib.closing(sqlite3.connect(house.database)) as database, database:
            database.execute("CREATE TABLE talk (text TEXT, key INTEGER)")
        with pytest.raises(ConfigError, match="another program's"):
            house.opens()
        assert contents(house.database) == []

    def test_a_place_that_cannot_be_used_is_refused(self, house: House) -> None:
        house.path.write_text("a file")
        with pytest.raises(ConfigError, match=r"history\.state: .*exists"):
            house.opens()


class TestFailing:
    """The room goes on, and so does keeping as soon as it can, without a restart."""

    def test_locked_by_another_program(self, house: House) -> None:
        talk = Talk(house.opens().room("lobby"))
        assert keeps(talk, "before")
        with locked(house.database):
            with pytest.raises(HistoryError, match="another program has locked it"):
                talk.says("refused")
            assert not keeps(talk, "during")
            assert texts(talk.room.read(0, 1000)) == ["before"]
            until(lambda: house.logged("history_failing"), "it to be logged")
        assert keeps(talk, "after")
        until(lambda: house.logged("history_works"), "it to be logged")
        room = house.reopens().room("lobby")
        assert texts(room.read(0, 1000)) == ["before", "after"]
        assert room.gaps(0, 3) == [Gap(2, 2)]

    def test_a_full_disk(self, tmp_path: Path) -> None:
        with small_disk(tmp_path / "disk") as disk, House(disk / "state") as house:
            history = house.opens()
            talk = Talk(history.room("lobby"))
            assert keeps(talk, "before")
            filler = fill(disk)
            until(lambda: not keeps(talk, "x" * 5000), "the last pages to be used")
            with pytest.raises(HistoryError, match="the disk is full"):
                talk.says("x" * 5000)
            first_lost = talk.room.last
            assert not keeps(Talk(history.room("new")), "x" * 5000)
            filler.unlink()
            assert keeps(talk, "after")

            history = house.reopens()
            room = history.room("lobby")
            assert room.last == first_lost + 1
            assert room.gaps(0, room.last) == [Gap(first_lost, first_lost)]
            assert texts(room.tail(1)) == ["after"]
            assert history.room("new").last == 1

    def test_a_disk_that_is_full_at_the_start(self, tmp_path: Path) -> None:
        with small_disk(tmp_path / "disk") as disk, House(disk / "state") as house:
            filler = fill(disk)
            talk = Talk(house.opens().room("lobby"))
            assert house.logged("history_failing")
            assert not keeps(talk, "during")
            with pytest.raises(HistoryError, match="no space left"):
                talk.room.read(0, 1)
            filler.unlink()
            until(lambda: keeps(talk, "after"), "it to be opened")
            assert talk.room.gaps(0, talk.room.last) == [Gap(1, talk.room.last - 1)]

    def test_a_file_system_that_becomes_read_only(self, tmp_path: Path) -> None:
        with small_disk(tmp_path / "disk") as disk, House(disk / "state") as house:
            house.opens()
            house.closes()
            subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
            with pytest.raises(ConfigError, match="read-only file system"):
                house.opens()
            subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
            talk = Talk(house.opens().room("lobby"))
            assert keeps(talk, "after")

    def test_a_file_that_may_not_be_written_to(self, house: House) -> None:
        root.refuse("root may write to everything")
        house.opens()
        house.closes()
        house.database.chmod(0o400)
        talk = Talk(house.opens().room("lobby"))
        assert not keeps(talk, "during")
        house.database.chmod(0o600)
        until(lambda: keeps(talk, "after"), "it to be opened again")

    @pytest.mark.parametrize("what", ["history.db", "history.db-wal", "numbers", "lock", "everything"])
    def test_deleted_under_our_feet(self, house: House, what: str) -> None:
        """What was only there is lost, and is a gap; what is said from then on is kept."""
        talk = Talk(house.opens().room("lobby"))
        assert keeps(talk, "before")
        if what == "everything":
            shutil.rmtree(house.path)
        else:
            (house.path / what).unlink()
        until(lambda: house.logged("history_reopened"), "it to be noticed")
        assert keeps(talk, "after")
        last = talk.room.last

        room = house.reopens().room("lobby")
        assert room.last == last
        kept = texts(room.read(0, 1000))
        assert kept[-1] == "after"
        missing = sum(gap.last - gap.first + 1 for gap in room.gaps(0, last))
        assert missing + len(kept) == last

    def test_replaced_under_our_feet(self, house: House) -> None:
        talk = Talk(house.opens().room("lobby"))
        assert keeps(talk, "1")
        house.closes()
        shutil.copy(house.database, house.path / "backup")
        talk = Talk(house.opens().room("lobby"))
        assert keeps(talk, "2")
        (house.path / "backup").rename(house.database)
        until(lambda: house.logged("history_reopened"), "it to be noticed")
        assert talk.room.gaps(0, 2) == [Gap(2, 2)]
        assert texts(talk.room.tail(20)) == ["1"]
        assert keeps(talk, "3")

    def test_damaged_while_in_use(self, house: House) -> None:
        """Set aside as soon as anybody meets it; the room begins anew, with the numbers that come next."""
        talk = Talk(house.opens().room("lobby"))
        for number in range(300):
            talk.says(f"{number} " + "x" * 1000)
        house.closes()
        talk = Talk(house.opens().room("lobby"))
        overwrite_pages(house.database)
        with pytest.raises(HistoryError, match="it is damaged"):
            talk.room.read(0, 10_000_000)
        until(lambda: house.logged("history_damaged"), "it to be set aside")
        until(lambda: keeps(talk, "after"), "it to be opened")
        room = house.reopens().room("lobby")
        assert texts(room.read(0, 1000)) == ["after"]
        assert room.gaps(0, room.last) == [Gap(1, room.last - 1)]
        assert len(list(house.path.glob("history.damaged-*.db"))) == 1

    @pytest.mark.parametrize("damage", ["overwritten", "truncated", "no database"])
    def test_damaged_when_it_is_opened(self, house: House, damage: str) -> None:
        """Set aside, said so, and begun anew; no number is used again."""
        talk = Talk(house.opens().room("lobby"))
        for number in range(300):
            talk.says(f"{number} " + "x" * 1000)
        house.closes()
        match damage:
            case "overwritten":
                overwrite_pages(house.database)
            case "truncated":
                os.truncate(house.database, 100_000)
            case _:
                house.database.write_text("Dear diary, " * 1000)
        damaged = house.database.read_bytes()

        talk = Talk(house.opens().room("lobby"))
        (entry,) = house.logged("history_damaged")
        assert Path(entry["moved_to"]).read_bytes() == damaged
        assert talk.room.last == 300
        assert talk.room.gaps(0, 300) == [Gap(1, 300)]
        assert keeps(talk, "after")
        assert texts(talk.room.tail(20)) == ["after"]


def test_a_large_room_is_trimmed_little_by_little(house: House) -> None:
    """Down to its bound, while others write, who find every line of theirs kept."""
    talk = Talk(house.opens().room("lobby"))
    for number in range(100):
        talk.room.append([talk.event(Kind.SAID, f"{number}")._replace(number=number * 100 + n + 1) for n in range(100)])
    house.closes()
    talk = Talk(house.opens(Bounds(lines=100)).room("lobby"))
    before = talk.room.last
    until(lambda: keeps(talk, "meanwhile") and talk.room.gaps(0, 9900) == [Gap(1, 9900)], "the rest to be forgotten")
    said = talk.room.last - before
    assert len(texts(talk.room.read(9900, 10_000_000))) <= 100 + said
    assert texts(talk.room.tail(said)) == ["meanwhile"] * said


_WRITER = """
import sys
from pathlib import Path
from tests.fakes import recording_log
from tests.history.talk import Talk
from threadchat.history.selecting import Bounds
from threadchat.history.sqlite import SqliteHistory

history = SqliteHistory(Path(sys.argv[1]), recording_log()[0], Bounds(lines=50), tick=0.001)
history.start()
talk = Talk(history.room("lobby"))
while True:
    if talk.room.last % 10 == 7:
        talk.loses(1)
    else:
        talk.says("said")
    sys.stdout.write(f"{talk.room.last}\\n")
    sys.stdout.flush()
"""


def test_kill_9_at_any_moment_loses_nothing_and_repeats_no_number(house: House) -> None:
    """What a writer has said that it kept is there, or was trimmed by then; and what it lost is a gap."""
    chance = random.Random(9)
    reached = 0
    for _ in range(20):
        with subprocess.Popen([sys.executable, "-c", _WRITER, house.path], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            first = int(writer.stdout.readline())
            assert first == reached + 1 or first == reached + 2  # the one before may not have come to say so
            said = [first, *(int(writer.stdout.readline()) for _ in range(chance.randrange(200)))]
            writer.send_signal(signal.SIGKILL)
            said += map(int, writer.stdout.read().split(b"\n")[:-1])
        room = house.opens(tick=NEVER).room("lobby")
        assert room.last in (said[-1], said[-1] + 1)
        kept = [event.number for event in room.read(0, 1_000_000)]
        missing = {n for gap in room.gaps(0, room.last) for n in range(gap.first, gap.last + 1)}
        assert sorted(missing | set(kept)) == list(range(1, room.last + 1))
        assert not missing & set(kept)
        assert not [number for number in missing if number > room.last - 50 and number % 10 != 8]
        reached = room.last
        house.closes()
