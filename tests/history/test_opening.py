"""Where history is kept is configured, or systemd's to say."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes import recording_log
from tests.history.talk import Talk
from threadchat.config.sections import History
from threadchat.history.memory import MemoryHistory
from threadchat.history.opening import open_history, state_directory
from threadchat.history.sqlite import SqliteHistory


@pytest.mark.parametrize(
    ("state", "environ", "expected"),
    [
        ("", {}, None),
        ("", {"STATE_DIRECTORY": ""}, None),
        ("", {"STATE_DIRECTORY": "/var/lib/threadchat"}, Path("/var/lib/threadchat")),
        ("", {"STATE_DIRECTORY": "/var/lib/a:/var/lib/b"}, Path("/var/lib/a")),
        ("/srv/chat", {"STATE_DIRECTORY": "/var/lib/threadchat"}, Path("/srv/chat")),
    ],
)
def test_the_configuration_comes_before_systemd(state: str, environ: dict[str, str], expected: Path | None) -> None:
    assert state_directory(History(state=state), environ) == expected


def test_without_a_directory_it_is_memory() -> None:
    history = open_history(History(lines=2), {}, recording_log()[0])
    assert isinstance(history, MemoryHistory)
    talk = Talk(history.room("lobby"))
    for line in "abc":
        talk.says(line)
    assert len(talk.room.tail(20)) == 2
    history.close()


def test_with_one_it_is_a_database(tmp_path: Path) -> None:
    history = open_history(History(state=str(tmp_path / "state"), lines=2), {}, recording_log()[0])
    assert isinstance(history, SqliteHistory)
    history.close()
    assert (tmp_path / "state" / "history.db").exists()
