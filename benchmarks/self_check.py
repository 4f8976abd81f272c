"""Runs the load generators against a server that commits one known fault. They must count exactly that fault."""

from __future__ import annotations

from benchmarks.peers import Peer
from benchmarks.process import run_load, running

COUNTERS = ("lost", "duplicated", "reordered", "garbled")

EXPECTED = {
    "none": {},
    "lose": {"lost": 1},
    "double": {"duplicated": 1},
    "reorder": {"reordered": 1},
    "garble": {"garbled": 1, "lost": 1},
}


class SelfCheckError(Exception):
    """A generator counted wrong, so none of its results would mean anything."""


def check_generators() -> None:
    """Takes a few seconds. Raises SelfCheckError, or MeasurementError if the generators cannot be run at all."""
    for fault, expected in EXPECTED.items():
        # a window of 4: the line after a lost one shows the loss; with a window of 1 its observer could wait for it
        found = _run("fanload", fault, "--members 4 --talkers 1 --window 4 --seconds 0.1 --quiet 300")
        _compare(fault, expected, {key: int(found[key]) for key in COUNTERS if found[key]})
    _compare("echo", {"wrong": 1}, {"wrong": int(_run("pingload", "echo", "--seconds 0.1")["wrong"])})


def _run(program: str, fault: str, options: str) -> dict[str, float]:
    peer = Peer("faulty", "the faulty server", "", chat=f"{{python}} {{servers}}/faulty.py {{port}} {fault}")
    with running(peer, "chat") as server:
        return run_load(program, server, options)


def _compare(fault: str, expected: dict[str, int], found: dict[str, int]) -> None:
    if found != expected:
        raise SelfCheckError(f"self-check, fault {fault!r}: expected {expected}, the generator counted {found}")
