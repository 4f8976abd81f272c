"""The log: for people on a terminal, JSON lines everywhere else."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from datetime import datetime

import pytest
import structlog

from threadchat.base.log import Log, set_up_log


class Terminal(io.StringIO):
    """A standard error that is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


@pytest.fixture(autouse=True)
def structlog_as_it_was() -> Iterator[None]:
    """Undo what setting up the log does to the process."""
    yield
    structlog.reset_defaults()


def set_up(stderr: io.StringIO, debug: bool = False) -> Log:
    """Return a log that was set up while *stderr* was the standard error."""
    with contextlib.redirect_stderr(stderr):
        return set_up_log(debug)


@pytest.fixture
def pipe() -> io.StringIO:
    """A standard error that is no terminal."""
    return io.StringIO()


def test_events_are_json_lines_with_level_and_time(pipe: io.StringIO) -> None:
    """One line each, in UTC, with what was bound to the log."""
    log = set_up(pipe).bind(server="lobby")
    log.info("connection_opened", peer="192.0.2.1:4711")
    log.warning("accept_backing_off")
    opened, backing_off = map(json.loads, pipe.getvalue().splitlines())
    assert (opened["event"], opened["level"]) == ("connection_opened", "info")
    assert (opened["server"], opened["peer"]) == ("lobby", "192.0.2.1:4711")
    assert datetime.fromisoformat(opened["timestamp"]).utcoffset() is not None
    assert backing_off["level"] == "warning"


def test_a_traceback_stays_in_its_line(pipe: io.StringIO) -> None:
    """As text."""
    log = set_up(pipe)
    try:
        _ = 1 / 0
    except ZeroDivisionError:
        log.exception("connection_failed")
    (line,) = pipe.getvalue().splitlines()
    assert "ZeroDivisionError" in json.loads(line)["exception"]


def test_a_value_cannot_forge_a_line(pipe: io.StringIO) -> None:
    """Line ends and escapes in it are escaped."""
    set_up(pipe).info("event", text='x"}\n{"event": "forged"}\x1b[2J')
    assert len(pipe.getvalue().splitlines()) == 1
    assert "\x1b" not in pipe.getvalue()


@pytest.mark.parametrize(("debug", "events"), [(False, ["info"]), (True, ["debug", "info"])])
def test_debug_is_asked_for(pipe: io.StringIO, debug: bool, events: list[str]) -> None:
    """Otherwise nothing below info is logged."""
    log = set_up(pipe, debug)
    log.debug("debug")
    log.info("info")
    assert [json.loads(line)["event"] for line in pipe.getvalue().splitlines()] == events


def test_on_a_terminal_it_is_for_people() -> None:
    """Not JSON; the time of day, the event, its values."""
    terminal = Terminal()
    set_up(terminal).info("listening", address="tcp://127.0.0.1:7007")
    line = terminal.getvalue()
    with pytest.raises(json.JSONDecodeError):
        json.loads(line)
    assert "listening" in line
    assert "tcp://127.0.0.1:7007" in line
