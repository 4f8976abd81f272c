from __future__ import annotations

import os
import threading

import pytest

from threadchat.base.errors import ChatError
from threadchat.client.keyboard import Keyboard
from threadchat.client.plain import Output, ask_name


def asked(typed: bytes) -> tuple[str | None, bytes]:
    """Ask for a name, *typed* being what is piped in; return the name and what was shown."""
    (keys, cable), (seen, screen) = os.pipe(), os.pipe()
    try:
        os.write(cable, typed)
        os.close(cable)
        with Keyboard(keys) as keyboard:
            name = ask_name(keyboard, Output(screen))
        return name, os.read(seen, 1000)
    finally:
        for descriptor in (keys, seen, screen):
            os.close(descriptor)


def test_the_name_is_asked_for_until_there_is_one() -> None:
    assert asked(b"\n  \nJohn\nHi\n") == ("John", b"name: name: name: ")


def test_the_end_of_input_is_no_name() -> None:
    assert asked(b"\n") == (None, b"name: name: ")


def test_an_impossible_name_that_nobody_can_correct_is_an_error() -> None:
    with pytest.raises(ChatError, match="no colon"):
        asked(b"a:b\nJohn\n")


def test_output_writes_whole_lines_however_long() -> None:
    read, write = os.pipe()
    line = "x" * 1_000_000
    writer = threading.Thread(target=Output(write).write_lines, args=([line, "y"],))
    writer.start()
    received = b""
    while not received.endswith(b"y\n"):
        received += os.read(read, 65536)
    writer.join()
    os.close(read)
    os.close(write)

    assert received.decode() == f"{line}\ny\n"


def test_output_that_nobody_reads_is_broken_and_says_no_more() -> None:
    read, write = os.pipe()
    os.close(read)
    output = Output(write)
    output.write("Hi")
    output.write("Hi again")
    os.close(write)

    assert output.broken
