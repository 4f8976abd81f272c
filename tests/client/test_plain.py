from __future__ import annotations

import os
import threading

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


def test_a_name_that_cannot_be_is_asked_for_again_with_the_reason() -> None:
    assert asked(b"a:b\nJohn\n") == ("John", b"name: a name has no spaces and no colon\nname: ")


def test_the_end_of_input_is_no_name() -> None:
    assert asked(b"\n") == (None, b"name: name: exit\n")


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
    assert not output.problem


def test_output_that_cannot_be_written_is_a_problem() -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    output = Output(full)
    output.write("Hi")
    os.close(full)

    assert output.broken
    assert output.problem == "No space left on device"
