"""Where log lines go, whatever becomes of it: no line waits, no line raises, none is missed in silence."""

from __future__ import annotations

import contextlib
import os
import pty
import resource
import signal
import socket
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.waiting import until
from threadchat.base.log_sink import LogSink


def report(count: int) -> str:
    return f"{count} lines lost"


@pytest.fixture
def resources() -> Iterator[ExitStack]:
    with ExitStack() as resources:
        yield resources


Make = Callable[[int | None], LogSink]


@pytest.fixture
def sink(resources: ExitStack) -> Make:
    """Make a sink for a descriptor."""

    def make(fd: int | None) -> LogSink:
        made = LogSink(fd, report)
        resources.callback(made.close)
        return made

    return make


class Way:
    """A log's way from a program to its reader."""

    def __init__(self, resources: ExitStack, kind: str) -> None:
        self._seen = b""
        if kind in ("pipe", "foreign pipe"):
            self.reader, self.writer = os.pipe()
        elif kind == "socket":
            self.reader, self.writer = (sock.detach() for sock in socket.socketpair())
        else:
            self.reader, self.writer = pty.openpty()
            tty.setraw(self.writer)
        os.set_blocking(self.reader, False)
        resources.callback(os.close, self.writer)
        resources.callback(os.close, self.reader)

    def read(self) -> str:
        """Read what is there to be read; return all that was read so far."""
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self.reader, 65536):
                self._seen += data
        return self._seen.decode()

    def reads_up_to(self, end: str) -> str:
        """Read until *end* comes; a terminal passes things on in its own time."""
        until(lambda: self.read().endswith(end), f"{end!r}")
        return self.read()


@pytest.fixture(params=["pipe", "foreign pipe", "socket", "terminal"])
def way(request: pytest.FixtureRequest, resources: ExitStack, monkeypatch: pytest.MonkeyPatch) -> Way:
    if request.param == "foreign pipe":  # of another user, who does not let us open it anew

        def refuse(*arguments: object) -> int:
            raise PermissionError

        monkeypatch.setattr(os, "open", refuse)
    return Way(resources, request.param)


def test_a_line_is_written_at_once(way: Way, sink: Make) -> None:
    """So a crash loses none. What cannot be encoded is shown in another way."""
    log = sink(way.writer)
    log.write("hello")
    log.write("caf\u00e9 \ud800")
    assert way.reads_up_to("\\ud800\n") == "hello\ncafé \\ud800\n"
    assert log.lost == 0


def test_a_reader_that_stops_reading_costs_lines_and_no_time(way: Way, sink: Make) -> None:
    """Whoever reads again learns how many are missing, where they are missing; no line is cut."""
    log = sink(way.writer)
    count = 0
    while not log.lost:
        log.write(f"line {count} {'x' * 200}")
        count += 1
    log.write("one more " + "x" * 300)
    assert log.lost == 2

    def is_back() -> bool:
        way.read()
        log.write("back again")
        return not log.lost

    until(is_back, "room")
    *lines, told, _ = way.reads_up_to("back again\n").splitlines()
    assert lines == [f"line {number} {'x' * 200}" for number in range(count - 1)]
    assert int(told.split()[0]) >= 2


def test_those_who_share_standard_error_keep_their_flags(way: Way, sink: Make) -> None:
    """A shell whose terminal does not block any more reads an error where it expects a key."""
    sink(way.writer).write("hello")
    assert os.get_blocking(way.writer)


def test_a_long_line_comes_whole(way: Way, sink: Make) -> None:
    """A traceback, say, that is longer than what fits: its rest comes before the next line."""
    log = sink(way.writer)
    long = "x" * 3_000_000
    log.write(long)

    def is_complete() -> bool:
        log.write("next")
        return "next\n" in way.read()

    until(is_complete, "all of it")
    assert way.read().startswith(f"{long}\n")


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_without_a_reader_lines_are_counted(kind: str, resources: ExitStack, sink: Make) -> None:
    """Neither an exception nor a signal."""
    way = Way(resources, kind)
    log = sink(way.writer)
    null = os.open(os.devnull, os.O_RDONLY)
    resources.callback(os.close, null)
    os.dup2(null, way.reader)
    log.write("hello")
    log.write("is anybody there?")
    assert log.lost == 2


def test_a_full_disk_costs_lines(sink: Make, resources: ExitStack) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    resources.callback(os.close, full)
    log = sink(full)
    log.write("hello")
    assert log.lost == 1


def test_a_line_that_a_disk_had_room_for_in_part_is_completed(
    tmp_path: os.PathLike[str], resources: ExitStack, sink: Make
) -> None:
    """The limit on a file's size does what a full disk does: it takes a part, then it raises."""
    path = os.path.join(tmp_path, "log")
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    resources.callback(os.close, file)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resources.callback(resource.setrlimit, resource.RLIMIT_FSIZE, (soft, hard))
    resources.callback(signal.signal, signal.SIGXFSZ, signal.signal(signal.SIGXFSZ, signal.SIG_IGN))
    log = sink(file)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    log.write("first")
    log.write("second")
    log.write("third")
    assert log.lost == 1
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    log.write("fourth")
    with open(path) as written:
        assert written.read() == "first\nsecond\n1 lines lost\nfourth\n"


def test_a_reader_that_is_busy_for_a_moment_misses_nothing(resources: ExitStack, sink: Make) -> None:
    """A few thousand lines wait in a pipe."""
    way = Way(resources, "pipe")
    log = sink(way.writer)
    for _ in range(5000):
        log.write("x" * 150)
    assert log.lost == 0


def test_without_standard_error_nothing_is_missed(sink: Make) -> None:
    log = sink(None)
    log.write("hello")
    assert log.lost == 0
    assert log.fileno() is None


def test_lines_of_many_threads_do_not_mix(resources: ExitStack, sink: Make) -> None:
    """Each comes whole."""
    way = Way(resources, "pipe")
    log = sink(way.writer)
    texts = [str(number) * 300 for number in range(10)]

    def write(text: str) -> None:
        for _ in range(10):
            log.write(text)

    threads = [threading.Thread(target=write, args=(text,)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(way.read().splitlines()) == sorted(texts * 10)
