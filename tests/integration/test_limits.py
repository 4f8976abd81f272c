"""Every limit, from outside: told, kept, and nobody else notices."""

from __future__ import annotations

import re
import time
from pathlib import Path

from tests.conftest import Serve
from tests.running import Running
from tests.waiting import until


def configured(serve: Serve, directory: Path, **limits: object) -> Running:
    """A chat room with these limits."""
    lines = "\n".join(f"{key} = {value!r}" for key, value in limits.items())
    path = directory / "limits.toml"
    path.write_text(f'[tcp.servers.lobby]\naddr = "tcp://127.0.0.1:0"\n[tcp.servers.lobby.limits]\n{lines}\n')
    return serve("--config", str(path))


def test_an_over_long_line_is_skipped_and_told_once(serve: Serve, tmp_path: Path) -> None:
    """The rest of the line is skipped, the connection kept, and what comes after it is said."""
    chat = configured(serve, tmp_path, max_line_bytes=100)
    alice, bob = chat.person("alice"), chat.person("bob")
    for part in (b"x" * 90, b"y" * 90, b"z" * 90, b" the end\n"):
        bob.sends(part)
    bob.says("a" * 100)
    bob.sees("* That line was not said: it is longer than 100 bytes.")
    alice.sees(f"bob: {'a' * 100}")
    bob.says("/me is next")
    alice.sees("** bob is next")
    bob.says("/who")
    bob.sees_matching(r"\* 2 in lobby: .*")


def test_endless_data_without_a_line_end_is_closed_with_a_reason(serve: Serve, tmp_path: Path) -> None:
    """A client that is none is told so."""
    chat = configured(serve, tmp_path, max_line_bytes=100)
    bob = chat.guest()
    bob.sends(b"x" * 40_000)
    bob.sees("* Goodbye: a line has at most 100 bytes, and yours does not end.")
    bob.is_gone_quietly()


def test_one_connection_too_many_is_told_so(serve: Serve) -> None:
    """One clear line, even for a client that talks before it listens; a place that is free again is given away."""
    chat = serve("--max-connections", "2")
    alice, bob = chat.guest(), chat.guest()
    for _ in range(5):
        third = chat.connect()
        third.says("hello?")
        third.sees("* The server is full (connections: 2). Please try later.")
        third.is_gone_quietly()
    bob.leaves()
    until(lambda: chat.events("connection_closed"), "bob to be gone")
    carol = chat.guest()
    carol.says("made it")
    alice.waits_for("guest-3: made it")


def test_the_next_one_waits_when_told_to(serve: Serve) -> None:
    """``when_full = "wait"``: nothing is lost that was said while waiting."""
    chat = serve("--max-connections", "1", "--when-full", "wait")
    alice = chat.guest()
    waiting = chat.connect()
    waiting.says("/me waits")
    waiting.says("/who")
    alice.leaves()
    waiting.waits_for("* 1 in lobby: guest-2")


def test_an_idle_connection_is_told_and_closed(serve: Serve, tmp_path: Path) -> None:
    """Who says nothing for the idle time-out leaves; who talks stays."""
    chat = configured(serve, tmp_path, idle_timeout="400ms")
    idle = chat.guest()
    idle.sees("* Nothing heard from you for too long. Goodbye!")
    idle.is_gone_quietly()
    assert chat.logs("connection_closed")[0]["reason"] == "idle"


def test_a_flood_is_slowed_and_nothing_of_it_lost(serve: Serve, tmp_path: Path) -> None:
    """A paste over the burst arrives whole, in order, at the configured pace."""
    chat = configured(serve, tmp_path, flood_lines_per_second=100.0, flood_burst_lines=10)
    alice, bob = chat.person("alice"), chat.person("bob")
    lines = [f"line {number}" for number in range(60)]
    start = time.monotonic()
    bob.sends("".join(f"{line}\n" for line in lines).encode())
    bob.finishes()
    alice.sees(*[f"bob: {line}" for line in lines])
    # No pace is faster than the configured one, however busy the machine: 50 lines over the burst, 100 a second.
    assert time.monotonic() - start >= 0.4


def test_others_talk_as_before_while_a_flood_is_slowed(serve: Serve, tmp_path: Path) -> None:
    """At this pace the rest of the paste would take hours; nobody waits for it, nor does stopping."""
    chat = configured(serve, tmp_path, flood_lines_per_second=0.001, flood_burst_lines=6)
    alice, bob, carol = chat.person("alice"), chat.person("bob"), chat.person("carol")
    bob.sends("".join(f"line {number}\n" for number in range(20)).encode())
    alice.sees(*[f"bob: line {number}" for number in range(5)])  # one went for the name
    carol.says("meanwhile")
    alice.sees("carol: meanwhile")


def test_flood_control_can_be_off(serve: Serve, tmp_path: Path) -> None:
    """0 turns it off: thousands of lines pass."""
    chat = configured(serve, tmp_path, flood_lines_per_second=0.0)
    alice, bob = chat.person("alice"), chat.person("bob")
    lines = [f"line {number}" for number in range(5000)]
    bob.sends("".join(f"{line}\n" for line in lines).encode())
    alice.sees(*[f"bob: {line}" for line in lines])


def test_who_reads_nothing_for_too_long_is_cut_off_and_named(serve: Serve, tmp_path: Path) -> None:
    """The others get every line in order meanwhile."""
    chat = configured(serve, tmp_path, flood_lines_per_second=0.0, send_queue_bytes=65536, send_timeout="1s")
    alice, bob = chat.person("alice"), chat.person("bob")
    chat.connect(receive_buffer=4096)  # never reads
    sent = 0
    while not chat.events("connection_closed"):
        for _ in range(20):
            bob.says(f"{sent} " + "x" * 4000)
            sent += 1
        alice.sees(*[f"bob: {number} " + "x" * 4000 for number in range(sent - 20, sent)])
    assert chat.logs("connection_closed")[0]["reason"] == "slow consumer: no progress"


def test_out_of_descriptors_the_listener_waits_and_recovers(serve: Serve) -> None:
    """It logs that once, does not spin, and serves those who waited as soon as there is room again."""
    chat = serve(descriptors=36)
    talkers = [chat.connect() for _ in range(40)]
    chat.logs("accept_backing_off")
    served = [talker for talker in talkers if len(chat.events("connection_opened")) and talker]
    spent = _cpu_seconds(chat)
    for talker in served[:20]:
        talker.leaves()
    for talker in served[20:]:
        talker.waits_for("Welcome to the chatroom!")
    chat.logs("accept_recovered")
    assert len(chat.events("accept_backing_off")) == 1
    # Spinning would have cost a core for all that time; this counts processor time, not time on the clock.
    assert _cpu_seconds(chat) - spent < 2.0


def _cpu_seconds(chat: Running) -> float:
    stat = Path(f"/proc/{chat.process.pid}/stat").read_text()
    user, system = re.split(r"\) ", stat)[1].split()[11:13]
    return (int(user) + int(system)) / 100
