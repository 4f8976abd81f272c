"""A directory is used by one process at a time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from threadchat.history.directory import Directory, InUse, identity, is_in_use

_USER = """
import sys
from pathlib import Path
from threadchat.history.directory import Directory
directory = Directory(Path(sys.argv[1]))
print("mine", flush=True)
sys.stdin.read()
"""


def test_it_is_made_for_nobody_else(tmp_path: Path) -> None:
    Directory(tmp_path / "new" / "state").close()
    assert (tmp_path / "new" / "state").stat().st_mode & 0o777 == 0o700


def test_another_process_is_kept_out_until_the_first_one_is_gone(tmp_path: Path) -> None:
    """However it goes."""
    with subprocess.Popen(
        [sys.executable, "-c", _USER, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"mine\n"
        assert is_in_use(tmp_path)
        with pytest.raises(InUse):
            Directory(tmp_path)
        other.kill()
    assert not is_in_use(tmp_path)
    Directory(tmp_path).close()


def test_to_look_changes_nothing(tmp_path: Path) -> None:
    assert not is_in_use(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_it_notices_that_it_is_gone(tmp_path: Path) -> None:
    directory = Directory(tmp_path / "state")
    assert directory.is_in_place()
    (tmp_path / "state").rename(tmp_path / "moved")
    assert not directory.is_in_place()
    Directory(tmp_path / "state").close()
    assert not directory.is_in_place()
    directory.close()


def test_a_database_is_set_aside_with_its_log_and_under_a_name_of_its_own(tmp_path: Path) -> None:
    directory = Directory(tmp_path)
    aside = []
    for turn in ("first", "second"):
        for file in ("history.db", "history.db-wal"):
            (tmp_path / file).write_text(f"{turn} {file}")
        aside.append(directory.set_aside())
    directory.close()
    assert len(set(aside)) == 2
    assert [path.read_text() for path in aside] == ["first history.db", "second history.db"]
    assert [path.with_name(path.name + "-wal").read_text() for path in aside] == [
        "first history.db-wal",
        "second history.db-wal",
    ]
    assert not directory.database.exists()


def test_its_state_changes_with_the_database(tmp_path: Path) -> None:
    directory = Directory(tmp_path)
    assert directory.state() == ""
    directory.database.write_text("x")
    before = directory.state()
    assert before == directory.state()
    os.utime(directory.database, (1, 1))
    assert directory.state() != before
    directory.close()


def test_a_file_is_told_from_another_of_its_name(tmp_path: Path) -> None:
    file = tmp_path / "file"
    assert identity(file) is None
    file.touch()
    before = identity(file)
    (tmp_path / "other").touch()
    (tmp_path / "other").rename(file)
    assert before != identity(file) is not None
