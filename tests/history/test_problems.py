"""What is wrong with a database is said in words."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from threadchat.history import problems


def problem_with(path: Path, statement: str, way: str = "mode=rw") -> sqlite3.Error:
    connection = sqlite3.connect(f"{path.as_uri()}?{way}", uri=True)
    try:
        connection.execute(statement)
    except sqlite3.Error as error:
        return error
    finally:
        connection.close()
    raise AssertionError("nothing is wrong")


def test_each_has_its_sentence(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    sqlite3.connect(path).close()
    error = problem_with(path, "CREATE TABLE x (y)", "mode=ro")
    assert problems.sentence(error).startswith("it may not be written to")
    assert problems.code(error) in problems.STUCK
    path.write_bytes(b"no database" * 1000)
    error = problem_with(path, "SELECT * FROM sqlite_master")
    assert problems.sentence(error) == "it is damaged"
    assert problems.code(error) in problems.DAMAGED
    path.write_bytes(b"")
    assert problems.sentence(problem_with(path, "SELECT * FROM people")) == "no such table: people"


@pytest.mark.parametrize("error", [sqlite3.ProgrammingError("Cannot operate on a closed database.")])
def test_what_python_says_is_kept(error: sqlite3.Error) -> None:
    assert problems.code(error) == 0
    assert problems.sentence(error) == "Cannot operate on a closed database."
