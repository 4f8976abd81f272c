"""Scanners and programs that have come to the wrong port: nobody in the room sees anything of them."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests import debian
from tests.running import Running
from tests.wire.test_probes import PROBES


def scanned(chat: Running, connections: int) -> None:
    """Wait until so many connections have come and gone, and expect that not one of them was a person's."""
    reasons = [event["reason"] for event in chat.logs("connection_closed", connections)]
    assert set(reasons) == {"wrong_protocol"}


def test_a_scan_is_no_line_in_the_room(chat: Running) -> None:
    """Every probe gets one line and the end; what alice sees next is what bob says next."""
    alice, bob = chat.person("alice"), chat.person("bob")
    alice.waits_for("* bob joined")
    for probe in PROBES:
        first, word = probe.values
        assert isinstance(first, bytes)
        scanner = chat.guest()
        scanner.sends(first)
        (told,) = scanner.rest().splitlines()
        assert str(word) in told.decode()
    scanned(chat, len(PROBES))
    bob.says("quiet here")
    assert alice.waits_for("bob: quiet here") == []


def test_who_connects_and_leaves_is_no_line_either(chat: Running) -> None:
    """Having said nothing, or nothing but blank lines; with and without an end, as scanners do."""
    alice, bob = chat.person("alice"), chat.person("bob")
    alice.waits_for("* bob joined")
    for first in (b"", b"\r\n\r\n", b"HELP\r\n", bytes(64)):
        for leave in ("leaves", "vanishes"):
            scanner = chat.connect()
            scanner.sends(first)
            getattr(scanner, leave)()
    chat.logs("connection_closed", 8)
    bob.says("quiet here")
    assert alice.waits_for("bob: quiet here") == []


def test_who_stays_is_announced(chat: Running) -> None:
    """Though they say nothing; and so is their leaving."""
    alice, silent = chat.person("alice"), chat.guest()
    assert alice.line() == "* guest-2 joined"
    silent.leaves()
    assert alice.line() == "* guest-2 left"


@pytest.mark.parametrize(
    "command",
    [
        ["curl", "--silent", "--max-time", "20", "http://127.0.0.1:{port}/"],
        ["curl", "--silent", "--max-time", "20", "--insecure", "https://127.0.0.1:{port}/"],
        ["curl", "--silent", "--max-time", "20", "--proxy", "socks5://127.0.0.1:{port}", "http://example.org/"],
        ["redis-cli", "-p", "{port}", "ping"],
        ["ssh", "-p", "{port}", "-o", "BatchMode=yes", "-o", "ConnectTimeout=20", "127.0.0.1"],
    ],
    ids=["HTTP", "HTTPS", "SOCKS", "redis", "ssh"],
)
def test_real_programs_at_the_wrong_port(chat: Running, command: list[str]) -> None:
    """They give up at once, and nobody notices."""
    debian.require(command[0])
    alice = chat.person("alice")
    subprocess.run([word.format(port=chat.port) for word in command], capture_output=True, timeout=30, check=False)
    scanned(chat, 1)
    bob = chat.person("bob")
    bob.says("hi")
    assert "joined" in alice.line()
    assert all("guest-2" not in line for line in alice.waits_for("bob: hi"))


def test_a_scan_by_nmap_says_nothing(chat: Running) -> None:
    """Its connections that stay silent for more than three seconds are announced; none says a word."""
    debian.require("nmap")
    alice = chat.person("alice")
    scan = ["nmap", "-sV", "-Pn", "-p", str(chat.port), "127.0.0.1"]
    subprocess.run(scan, capture_output=True, timeout=120, check=True)
    closed = [event["reason"] for event in chat.logs("connection_closed", 20)]
    assert closed.count("wrong_protocol") > 15
    bob = chat.person("bob")
    bob.says("over")
    seen = alice.waits_for("bob: over")
    notice = re.compile(r"\* (guest-\d+|bob|\d+ people) (joined|left|is now bob)")
    assert [line for line in seen if not notice.fullmatch(line)] == []
