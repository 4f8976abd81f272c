"""Runs scenarios: every peer in turn, in a fresh process each time, round after round. Keeps the results.

In each round, the peers of one variant run directly after each other. The next round begins with the next peer. So if
the machine drifts, it drifts for all of them, and a ratio compares runs that were close in time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.peers import Peer
from benchmarks.process import MeasurementError, run_load, running
from benchmarks.scenarios import Scenario, derive


@dataclass(frozen=True)
class Run:
    """One peer in one variant in one round. It has an `error` instead of a `result` if it could not be measured."""

    variant: str
    peer: str
    round: int
    nofile: int = 0
    result: dict[str, float] = field(default_factory=dict)
    error: str = ""


@dataclass
class Measured:
    """All runs of one scenario, and the facts about the machine and the versions that they were made with."""

    facts: dict[str, str]
    rounds: int
    quick: bool
    missing: dict[str, str]  # peer: why
    runs: list[Run] = field(default_factory=list)

    def values(self, variant: str, peer: str, metric: str) -> dict[int, float]:
        """Return the metric by round."""
        found: dict[int, float] = {}
        for run in self.runs:
            if run.variant == variant and run.peer == peer and run.result:
                found[run.round] = derive(run.result).get(metric, 0.0)
        return found

    def median(self, variant: str, peer: str, metric: str) -> float | None:
        values = self.values(variant, peer, metric)
        return median(values.values()) if values else None

    def worst(self, variant: str, peer: str, metric: str) -> float | None:
        values = self.values(variant, peer, metric)
        return max(values.values()) if values else None

    def error(self, variant: str, peer: str) -> str:
        return next((run.error for run in self.runs if (run.variant, run.peer) == (variant, peer) and run.error), "")


def measure(scenario: Scenario, peers: list[Peer], rounds: int, quick: bool, into: Measured) -> Iterator[Run]:
    """Yield each run as it ends, after adding it to `into`."""
    for round_number in range(rounds):
        for variant, options in scenario.variants.items():
            first = round_number % len(peers)
            for peer in peers[first:] + peers[:first]:
                run = _measure_one(scenario, variant, options, peer, round_number, quick)
                into.runs.append(run)
                yield run


def _measure_one(scenario: Scenario, variant: str, options: str, peer: Peer, round_number: int, quick: bool) -> Run:
    peer_options = peer.load if scenario.program == "fanload" else ""
    load = " ".join([scenario.load, options, peer_options, scenario.quick if quick else ""])
    try:
        with running(peer, scenario.app) as server:
            result = run_load(scenario.program, server, load)
            return Run(variant, peer.key, round_number, server.nofile, result)
    except MeasurementError as problem:
        return Run(variant, peer.key, round_number, error=str(problem))


def load_results(path: Path) -> dict[str, Measured]:
    """Return the results of earlier runs of the suite, by scenario."""
    if not path.exists():
        return {}
    found: dict[str, Measured] = {}
    for key, entry in json.loads(path.read_text()).items():
        runs = [Run(**run) for run in entry.pop("runs")]
        found[key] = Measured(**entry, runs=runs)
    return found


def save_results(path: Path, results: dict[str, Measured]) -> None:
    path.parent.mkdir(exist_ok=True)
    text = json.dumps({key: asdict(measured) for key, measured in results.items()})
    path.write_text(text.replace('{"variant"', '\n{"variant"') + "\n")  # each run on a line of its own, for git
