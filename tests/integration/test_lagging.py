"""Readers that stop reading for a while: nobody notices, and they miss nothing."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from tests.conftest import Serve
from tests.running import Running
from tests.talker import Talker

#: A line of this size is quickly too much for a reader's queue.
PADDING = "x" * 2000


def roomy(serve: Serve, directory: Path, lines: int, state: str = "") -> Running:
    """A chat room with small queues, and a history of so many *lines*, in memory or in a *state* directory."""
    config = directory / "roomy.toml"
    config.write_text(
        '[tcp.servers.lobby]\naddr = "tcp://127.0.0.1:0"\n'
        "limits = { flood_lines_per_second = 0.0, send_queue_bytes = 65536 }\n"
        f'[history]\nlines = {lines}\nstate = "{state}"\n'
    )
    chat = serve("--config", str(config))
    chat.logs("listening")
    return chat


def named(chat: Running, name: str, receive_buffer: int | None = None) -> Talker:
    talker = chat.connect(receive_buffer=receive_buffer)
    talker.says(f"/nick {name}")
    talker.waits_for(f"* You are now {name}")
    return talker


def says(bob: Talker, alice: Talker, first: int, count: int) -> None:
    """Have bob say *count* numbered lines, which alice sees at once."""
    for start in range(first, first + count, 10):
        bob.sends("".join(f"{number:05} {PADDING}\n" for number in range(start, start + 10)).encode())
        alice.sees(*[f"bob: {number:05} {PADDING}" for number in range(start, start + 10)])


@pytest.mark.parametrize("where", ["memory", "sqlite"])
def test_who_lags_behind_gets_it_all_when_they_read_again(serve: Serve, tmp_path: Path, where: str) -> None:
    """In order, once, without their own lines; then what is said from then on."""
    chat = roomy(serve, tmp_path, 10_000, str(tmp_path / "state") if where == "sqlite" else "")
    alice, bob, carol = named(chat, "alice"), named(chat, "bob"), named(chat, "carol", receive_buffer=4096)
    says(bob, alice, 0, 2000)
    carol.says("I am here, but I do not look")
    alice.sees("carol: I am here, but I do not look")
    says(bob, alice, 2000, 2000)
    assert not chat.events("connection_closed")
    carol.sees(*[f"bob: {number:05} {PADDING}" for number in range(4000)])
    bob.says("live")
    carol.sees("bob: live")


def test_a_place_is_kept_while_the_program_is_replaced(serve: Serve, tmp_path: Path) -> None:
    """Twice; also with a history that is in memory only."""
    for where in ("", str(tmp_path / "state")):
        chat = roomy(serve, tmp_path, 10_000, where)
        alice, bob, carol = named(chat, "alice"), named(chat, "bob"), named(chat, "carol", receive_buffer=4096)
        for replaced in range(2):
            says(bob, alice, 1000 * replaced, 1000)
            chat.process.send_signal(signal.SIGUSR2)
            chat.logs("connections_taken_over", replaced + 1)
        says(bob, alice, 2000, 100)
        carol.sees(*[f"bob: {number:05} {PADDING}" for number in range(2100)])


def test_what_is_not_kept_any_more_is_a_gap_with_its_range(serve: Serve, tmp_path: Path) -> None:
    """Whoever lags behind further than the history goes is told exactly what is missing."""
    chat = roomy(serve, tmp_path, 500)
    alice, bob, carol = named(chat, "alice"), named(chat, "bob"), named(chat, "carol", receive_buffer=4096)
    carol.says("/numbers on")
    carol.sees("* Lines begin with their numbers now.")
    says(bob, alice, 0, 3000)
    expected, said = 0, ""
    while said != "02999":
        line = carol.line()
        if gap := re.fullmatch(r"\* #(\d+) to #(\d+) are missing here: they are not kept\.", line):
            assert int(gap[1]) == expected
            expected = int(gap[2]) + 1
        elif seen := re.fullmatch(r"#(\d+) bob: (\d+) x+", line):
            assert expected in (0, int(seen[1]))
            expected, said = int(seen[1]) + 1, seen[2]
        else:
            assert re.fullmatch(r"#\d+ \* \S+ (joined|is now \S+)", line), line
    bob.says("live")
    carol.sees(f"#{expected} bob: live")
