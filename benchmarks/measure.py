"""Runs scenarios: every peer in turn, fresh process each time, round after round, and keeps what came out.

The peers of one variant run side by side in time: all of them in round one, all of them in round two, each round
beginning with the next peer. A drifting machine then drifts for all, and a ratio is one of neighbours.
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
    """One peer in one variant in one round; `error` instead of `result` if it could not be measured."""

    variant: str
    peer: str
    round: int
    nofile: int = 0
    result: dict[str, float] = field(default_factory=dict)
    error: str = ""


@dataclass
class Measured:
    """All runs of one scenario, and what they were made on and with."""

    facts: dict[str, str]
    rounds: int
    quick: bool
    missing: dict[str, str]  # peer: why
    runs: list[Run] = field(default_factory=list)

    def values(self, variant: str, peer: str, metric: str) -> dict[int, float]:
        """The metric by round."""
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
    """What earlier runs of the suite have left, by scenario."""
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
    path.write_text(text.replace('{"variant"', '\n{"variant"') + "\n")  # one run a line, for git
