"""The thread that looks after a database."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from tests.fakes import FakeClock, recording_log
from tests.history.places import locked
from tests.history.talk import Talk
from tests.waiting import until
from threadchat.base.errors import HistoryError
from threadchat.history.selecting import Bounds
from threadchat.history.sqlite import SqliteHistory


def test_signals_are_not_for_it(tmp_path: Path) -> None:
    """They are the main thread's, which may be waiting for one."""
    history = SqliteHistory(tmp_path, recording_log()[0])
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "history"]
    status = Path(f"/proc/{os.getpid()}/task/{thread.native_id}/status").read_text()
    (blocked,) = [int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigBlk:")]
    assert blocked & (1 << signal.SIGTERM - 1)
    assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    history.close()


def test_a_problem_is_logged_once_and_so_is_its_end(tmp_path: Path) -> None:
    log, entries = recording_log()
    history = SqliteHistory(tmp_path, log, tick=3600)
    talk = Talk(history.room("lobby"))
    talk.says("hi")
    with locked(tmp_path / "history.db"):
        for _ in range(3):
            with pytest.raises(HistoryError):
                talk.says("lost")
            history.housekeeper.look()
    talk.says("again")
    history.housekeeper.look()
    history.housekeeper.look()
    history.close()
    assert [entry["event"] for entry in entries] == ["history_failing", "history_works"]
    assert entries[0]["problem"] == entries[1]["problem"] == "another program has locked it"


def test_a_mistake_of_ours_does_not_end_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, entries = recording_log()
    history = SqliteHistory(tmp_path, log, Bounds(lines=1), tick=0.01)
    monkeypatch.setattr(history.housekeeper, "_report", lambda: 1 / 0)
    until(lambda: len(entries) > 1, "it to have stumbled twice")
    monkeypatch.undo()
    talk = Talk(history.room("lobby"))
    talk.says("1")
    talk.says("2")
    until(lambda: talk.room.gaps(0, 2), "it to trim")
    history.close()
    assert {entry["event"] for entry in entries} == {"history_housekeeping_failed"}


def test_the_log_is_emptied_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not when nothing was written since, which would be work for nothing."""
    clock = FakeClock()
    monkeypatch.setattr("time.monotonic", clock)
    history = SqliteHistory(tmp_path, recording_log()[0], tick=3600)
    emptied: list[float] = []
    monkeypatch.setattr(history.housekeeper._store, "checkpoint", lambda: emptied.append(clock.now))
    talk = Talk(history.room("lobby"))
    for _ in range(30):
        clock.advance(1)
        if clock.now < 1015:
            talk.says("hi")
        history.housekeeper.look()
    monkeypatch.undo()
    history.close()
    assert emptied == [1010, 1020]
