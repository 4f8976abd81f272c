"""The log: for people on a terminal, JSON lines everywhere else, with a priority in the journal."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.waiting import DEADLINE

#: A program with a log, and what it does with it.
PROGRAM = """
import os, sys, threading
from threadchat.base.log import log_uncaught, lost_lines, set_up_log
log = set_up_log("--debug" in sys.argv)
log_uncaught(log)
"""


def program(*statements: str) -> list[str]:
    return [sys.executable, "-c", "\n".join([PROGRAM, *statements])]


def logged(*statements: str, status: int = 0, **environment: str) -> list[str]:
    """Return the lines that a program writes to a pipe."""
    done = subprocess.run(
        program(*statements),
        env={**os.environ, **environment},
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=DEADLINE,
    )
    assert done.returncode == status, done.stderr
    return done.stderr.splitlines()


@contextlib.contextmanager
def terminal() -> Iterator[tuple[int, int]]:
    """The two ends of a terminal: the one of people, and the one of programs."""
    people, programs = pty.openpty()
    try:
        yield people, programs
    finally:
        os.close(people)
        os.close(programs)


def shown(*statements: str) -> str:
    """Return what a program shows on a terminal, without colours."""
    with terminal() as (people, programs):
        environment = {**os.environ, "NO_COLOR": "1"}
        subprocess.run(program(*statements), env=environment, stderr=programs, check=True, timeout=DEADLINE)
        return os.read(people, 65536).decode()


def test_events_are_json_lines_with_level_and_time() -> None:
    """One line each, in UTC, with what was bound to the log."""
    lines = logged(
        "log = log.bind(server='lobby')",
        "log.info('connection_opened', peer='192.0.2.1:4711')",
        "log.warning('accept_backing_off')",
    )
    opened, backing_off = map(json.loads, lines)
    assert (opened["event"], opened["level"]) == ("connection_opened", "info")
    assert (opened["server"], opened["peer"]) == ("lobby", "192.0.2.1:4711")
    assert datetime.fromisoformat(opened["timestamp"]).utcoffset() is not None
    assert backing_off["level"] == "warning"


def test_a_value_cannot_forge_a_line() -> None:
    """Line ends and escapes in it are escaped."""
    (line,) = logged(r"""log.info("event", text='x"}\n{"event": "forged"}\x1b[2J')""")
    assert "\x1b" not in line


@pytest.mark.parametrize(("option", "events"), [("", ["info"]), ("--debug", ["debug", "info"])])
def test_debug_is_asked_for(option: str, events: list[str]) -> None:
    """Otherwise nothing below info is logged."""
    lines = logged(f"log = set_up_log(bool({option!r}))", "log.debug('debug')", "log.info('info')")
    assert [json.loads(line)["event"] for line in lines] == events


def test_on_a_terminal_it_is_for_people() -> None:
    """Not JSON; the time of day, the event, its values; lists as people write them."""
    text = shown("log.info('listening', address='tcp://127.0.0.1:7007', problems=('one thing', 'and another'))")
    with pytest.raises(json.JSONDecodeError):
        json.loads(text)
    assert "listening" in text
    assert "tcp://127.0.0.1:7007" in text
    assert "'one thing; and another'" in text


def test_a_value_cannot_drive_the_terminal() -> None:
    """Letters of any language are shown as they are."""
    text = shown(r"log.info('event', text='\x1b[2J', name='жук')")
    assert "\x1b" not in text
    assert "жук" in text


def test_in_the_journal_a_line_has_a_priority_and_no_time(tmp_path: Path) -> None:
    """The journal is known by the device and the inode of standard error."""
    path = tmp_path / "journal"
    levels = ["debug", "info", "warning", "error", "critical"]
    statements = ["log = set_up_log(True)", *[f"log.{level}('event')" for level in levels]]
    with path.open("wb") as journal:
        status = os.fstat(journal.fileno())
        environment = {**os.environ, "JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        subprocess.run(program(*statements), env=environment, stderr=journal, check=True, timeout=DEADLINE)
    lines = path.read_text().splitlines()
    assert [line[:3] for line in lines] == ["<7>", "<6>", "<4>", "<3>", "<2>"]
    assert [json.loads(line[3:]) for line in lines] == [{"event": "event", "level": level} for level in levels]


def test_another_programs_journal_is_not_ours() -> None:
    """The variable is inherited by whoever is started from a service."""
    (line,) = logged("log.info('event')", JOURNAL_STREAM="1:1")
    assert json.loads(line)["event"] == "event"


FAILING_DESTRUCTOR = """
class Thing:
    def __del__(self):
        1 / 0
"""


@pytest.mark.parametrize(
    ("statements", "status", "event", "level"),
    [
        (["1 / 0"], 1, "crashed", "critical"),
        (["threading.Thread(target=lambda: 1 / 0, name='conn-1').start()"], 0, "thread_failed", "error"),
        ([FAILING_DESTRUCTOR, "Thing()"], 0, "unraisable", "error"),
    ],
)
def test_what_nothing_catches_is_one_line_of_the_log(
    statements: list[str], status: int, event: str, level: str
) -> None:
    """With its traceback, as text."""
    (line,) = logged(*statements, status=status)
    found = json.loads(line)
    assert (found["event"], found["level"]) == (event, level)
    assert "ZeroDivisionError" in found["exception"]
    assert found.get("thread", "conn-1") == "conn-1"


def test_who_ends_a_thread_on_purpose_is_not_logged() -> None:
    assert logged("threading.Thread(target=sys.exit).start()") == []


def test_a_crash_shows_every_thread() -> None:
    """When the watchdog ends the program, say."""
    lines = logged("log.info('event')", "os.abort()", status=-6)
    assert json.loads(lines[0])["event"] == "event"
    assert "Fatal Python error: Aborted" in lines[1]


def test_with_standard_error_closed_nothing_is_written_to_what_comes_in_its_place() -> None:
    """The next file or socket would get its number."""
    statements = [
        "log.info('to nobody')",
        "assert lost_lines() == 0",  # nobody misses it
        "os.set_inheritable(2, True)",
        "read, write = os.pipe()",
        "assert min(read, write) > 2",
        "assert os.readlink('/proc/self/fd/2') == '/dev/null'",
        "print('done')",
    ]
    command = ["sh", "-c", 'exec "$@" 0<&- 2>&-', "sh", *program(*statements)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=DEADLINE)
    assert done.stdout == "done\n"


def test_lines_that_could_not_be_written_are_counted_and_reported() -> None:
    """In the place where they are missing."""
    report = [
        "read, write = os.pipe()",
        "os.dup2(write, 2)",
        "log = set_up_log()",
        "for number in range(20000): log.info('event', number=number)",
        "lost = lost_lines()",
        "written = os.read(read, 1 << 20).decode()",
        "log.info('last')",
        "written += os.read(read, 1 << 20).decode()",
        "print(lost, lost_lines())",
        "print(written, end='')",
    ]
    done = subprocess.run(program(*report), stdout=subprocess.PIPE, text=True, check=True, timeout=DEADLINE)
    counts, *lines = done.stdout.splitlines()
    *numbered, told, last = map(json.loads, lines)
    assert [event["number"] for event in numbered] == list(range(len(numbered)))
    assert counts == f"{20000 - len(numbered)} 0"
    assert (told["event"], told["level"], told["count"]) == ("log_lines_lost", "warning", 20000 - len(numbered))
    assert last["event"] == "last"
