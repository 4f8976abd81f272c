from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest

from threadchat.client.keyboard import End, Keyboard


class Typist:
    """A keyboard, and the other end of its cable."""

    def __init__(self) -> None:
        read, self.cable = os.pipe()
        self.read = read
        self.keyboard = Keyboard(read)

    def type(self, data: bytes) -> None:
        """Press keys."""
        os.write(self.cable, data)

    def unplug(self) -> None:
        """End the input."""
        os.close(self.cable)
        self.cable = -1


@pytest.fixture
def typist() -> Iterator[Typist]:
    typist = Typist()
    with typist.keyboard:
        yield typist
    os.close(typist.read)
    if typist.cable >= 0:
        typist.unplug()


def test_lines_come_one_by_one_without_their_ends(typist: Typist) -> None:
    typist.type(b"one\ntwo\r\nth")
    typist.type("réé\n".encode())

    assert [typist.keyboard.read_line() for _ in range(3)] == ["one", "two", "thréé"]


def test_the_last_line_needs_no_end(typist: Typist) -> None:
    typist.type(b"one\nlast")
    typist.unplug()

    assert [typist.keyboard.read_line() for _ in range(4)] == ["one", "last", End.INPUT, End.INPUT]


def test_the_end_can_be_seen_without_waiting(typist: Typist) -> None:
    seen = [typist.keyboard.at_end()]
    typist.type(b"last\n")
    seen.append(typist.keyboard.at_end())
    typist.unplug()
    seen.append(typist.keyboard.at_end())
    assert typist.keyboard.read_line() == "last"
    seen.append(typist.keyboard.at_end())

    assert seen == [False, False, False, True]


def test_bytes_that_are_no_utf_8_are_replaced(typist: Typist) -> None:
    typist.type(b"\xff\n")

    assert typist.keyboard.read_line() == "\N{REPLACEMENT CHARACTER}"


def test_the_locale_says_what_bytes_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    with os.fdopen(read, encoding="latin-1") as stdin, os.fdopen(write, "wb", buffering=0) as cable:
        monkeypatch.setattr("sys.stdin", stdin)
        cable.write(b"caf\xe9\n")
        with Keyboard(read) as keyboard:
            assert keyboard.read_line() == "café"


def test_another_thread_can_end_the_wait(typist: Typist) -> None:
    waker = threading.Thread(target=typist.keyboard.wake)
    waker.start()

    assert typist.keyboard.read_line() is End.WOKEN
    waker.join()


def test_woken_once_it_reads_no_more(typist: Typist) -> None:
    typist.keyboard.wake()
    typist.type(b"too late\n")

    assert [typist.keyboard.read_line() for _ in range(2)] == [End.WOKEN] * 2


def test_a_pipe_is_not_a_person(typist: Typist) -> None:
    assert not typist.keyboard.interactive
