"""``threadchat workers``: against a daemon that runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.workers.serving import serving
from threadchat.cli.main import main


def workers(*words: str) -> Result:
    return CliRunner().invoke(main, ["workers", *words])


def test_list_reset_add_remove(tmp_path: Path) -> None:
    """Each does what it says, and says what it did."""
    with serving("good", tmp_path, pool={"num_workers": 2}) as daemon:
        rpc = ("--rpc", daemon.rpc)
        before = daemon.pids()
        listed = workers(*rpc, "list")
        assert listed.exit_code == 0
        heading, *rows = listed.output.splitlines()
        assert heading.split() == ["PID", "STATE", "EVENTS", "MEMORY", "AGE", "COMMAND"]
        assert {int(row.split()[0]) for row in rows} == before
        assert all("ready" in row and "tests.workers.bad.good" in row for row in rows)
        done = workers(*rpc, "reset")
        assert (done.exit_code, done.output) == (0, "2 workers replaced\n")
        assert before.isdisjoint(daemon.pids())
        assert workers(*rpc, "add").output == "1 worker added\n"
        assert len(daemon.pids()) == 3
        for _ in range(2):
            assert workers("remove", *rpc).output == "1 worker removed\n"
        assert len(daemon.pids()) == 1
        last = workers(*rpc, "remove")
        assert (last.exit_code, last.output) == (1, "threadchat: the last worker cannot be removed\n")
        assert workers("reset", *rpc).output == "1 worker replaced\n"


def test_the_only_daemon_need_not_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """None, or several, are named in the message."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    none = workers("list")
    assert (none.exit_code, none.output) == (
        1,
        "threadchat: no daemon with workers is running, or it is another user's\n",
    )
    directory = tmp_path / "threadchat"
    directory.mkdir()
    with serving("good", tmp_path, rpc=f"unix://{directory}/rpc-1.sock"):
        assert workers("list").exit_code == 0
        with serving("good", tmp_path, rpc=f"unix://{directory}/rpc-2.sock"):
            several = workers("list")
    assert several.exit_code == 1
    assert "rpc-1.sock" in several.output
    assert "rpc-2.sock" in several.output


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("unix:///nowhere/rpc.sock", "no daemon can be asked at unix:///nowhere/rpc.sock: no such file or directory"),
        ("nonsense", "--rpc: 'nonsense' is no address: write "),
    ],
)
def test_a_daemon_that_is_not_there(address: str, message: str) -> None:
    """It is named, wherever the option stands."""
    for words in (("--rpc", address, "list"), ("list", "--rpc", address)):
        result = workers(*words)
        assert result.exit_code == 1
        assert result.output.startswith(f"threadchat: {message}")
