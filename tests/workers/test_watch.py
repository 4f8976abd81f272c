"""What workers write to standard error, and that they exit."""

from __future__ import annotations

import os
import subprocess
import threading

from tests.waiting import until
from tests.workers.serving import captured_log
from threadchat.workers.watch import MAX_LINE_BYTES, Watch


def test_each_line_is_one_log_event() -> None:
    """However it was written, with the worker's pid; control characters are gone; the last line needs no end."""
    log, capture = captured_log()
    watch = Watch(log)
    read_fd, write_fd = os.pipe()
    watch.add_stderr(7, read_fd)
    for piece in (b"one\ntw", b"o\r\n\n", b"\x1b[31mred\n", b"last"):
        os.write(write_fd, piece)
    os.close(write_fd)
    until(lambda: len(capture.entries) == 4, "four lines")
    watch.close()

    assert [entry["line"] for entry in capture.entries] == ["one", "two", "red", "last"]
    assert {entry["pid"] for entry in capture.entries} == {7}
    assert {entry["event"] for entry in capture.entries} == {"worker_stderr"}


def test_a_line_without_end_is_logged_in_pieces() -> None:
    """A worker that never ends a line cannot fill the memory."""
    log, capture = captured_log()
    watch = Watch(log)
    read_fd, write_fd = os.pipe()
    watch.add_stderr(7, read_fd)
    os.write(write_fd, b"x" * (MAX_LINE_BYTES + 1))
    until(lambda: capture.entries, "the first piece")
    os.write(write_fd, b"end\n")
    os.close(write_fd)
    watch.close()

    assert "".join(entry["line"] for entry in capture.entries) == "x" * (MAX_LINE_BYTES + 1) + "end"


def test_what_was_written_before_the_end_is_logged() -> None:
    """Also if the descriptor is still open somewhere."""
    log, capture = captured_log()
    watch = Watch(log)
    read_fd, write_fd = os.pipe()
    watch.add_stderr(7, read_fd)
    os.write(write_fd, b"my last words\n")
    watch.close()
    os.close(write_fd)

    assert [entry["line"] for entry in capture.entries] == ["my last words"]


def test_an_exit_calls_back_once() -> None:
    """In the thread worker-log."""
    log, _ = captured_log()
    watch = Watch(log)
    callers: list[str] = []
    process = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    watch.add_exit(process.pid, lambda: callers.append(threading.current_thread().name))
    process.communicate()
    until(lambda: callers, "the call")
    watch.close()

    assert callers == ["worker-log"]
