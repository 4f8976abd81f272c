"""`python -m benchmarks`: build, measure, report. See README.md."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace

from benchmarks import peers
from benchmarks.build import BuildError, build
from benchmarks.machine import describe
from benchmarks.measure import Measured, Run, load_results, measure, save_results
from benchmarks.process import raise_descriptor_limit
from benchmarks.report import RESULTS, render, write_readme
from benchmarks.scenarios import BY_KEY, SCENARIOS, Scenario, derive
from benchmarks.self_check import SelfCheckError, check_generators

QUIET_LOAD = 0.3


def main() -> int:
    options = _parse_options()
    results_path = RESULTS / "results.json"
    if options.report:
        _publish(load_results(results_path))
        return 0
    try:
        build()
        check_generators()
    except (BuildError, SelfCheckError) as problem:
        print(f"benchmarks: {problem}", file=sys.stderr)
        return 1

    chosen = [scenario for scenario in SCENARIOS if scenario.key in options.only]
    rounds = options.rounds or (1 if options.quick else 3)
    raise_descriptor_limit()
    if os.getloadavg()[0] > QUIET_LOAD:
        print("benchmarks: this machine is busy; the results will be worth less", file=sys.stderr)
    facts = describe()
    # only full runs with all peers and with threadchat itself are worth keeping
    publish = not (options.quick or options.threadchat or set(options.peers) != set(peers.BY_KEY))
    measured: dict[str, Measured] = {}
    for scenario in chosen:
        measured[scenario.key] = _measure(scenario, facts, rounds, options)
        if publish:
            save_results(results_path, load_results(results_path) | measured)
    if publish:
        _publish(load_results(results_path))
    print(render(measured, {}))
    return 0


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    keys = ",".join(BY_KEY)
    parser.add_argument("--only", type=_list_of(set(BY_KEY)), default=list(BY_KEY), help=f"scenarios, of {keys}")
    parser.add_argument(
        "--peers",
        type=_list_of(set(peers.BY_KEY)),
        default=list(peers.BY_KEY),
        help=f"servers, of {','.join(peers.BY_KEY)}; results are only printed",
    )
    parser.add_argument("--rounds", type=int, help="rounds to take the median of [3]")
    parser.add_argument("--quick", action="store_true", help="short runs, one round, results only printed")
    parser.add_argument("--report", action="store_true", help="measure nothing, write the README from results.json")
    parser.add_argument(
        "--threadchat",
        metavar="COMMAND",
        help="start this instead of threadchat ({port}, {config} are filled in); results are only printed",
    )
    return parser.parse_args()


def _list_of(known: set[str]) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        chosen = text.split(",")
        unknown = set(chosen) - known
        if unknown:
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}")
        return chosen

    return parse


def _measure(scenario: Scenario, facts: dict[str, str], rounds: int, options: argparse.Namespace) -> Measured:
    wanted = [_peer(key, options.threadchat) for key in scenario.peers if key in options.peers]
    missing = {peer.key: peer.missing() for peer in wanted if peer.missing()}
    present = [peer for peer in wanted if peer.key not in missing]
    measured = Measured(facts, rounds, options.quick, missing)
    print(f"({scenario.key}) {scenario.title}: {scenario.question}", file=sys.stderr)
    for key, why in missing.items():
        print(f"    {key:12} missing: {why}", file=sys.stderr)
    start = time.monotonic()
    for run in measure(scenario, present, rounds, options.quick, measured):
        print(_progress(scenario, run), file=sys.stderr)
    print(f"    {time.monotonic() - start:.0f} s", file=sys.stderr)
    return measured


def _peer(key: str, command: str | None) -> peers.Peer:
    peer = peers.BY_KEY[key]
    if key == peers.THREADCHAT.key and command:
        return replace(peer, chat=command, echo=command, worker=command, module="")
    return peer


def _progress(scenario: Scenario, run: Run) -> str:
    head = f"    round {run.round + 1} {run.variant:14} {run.peer:12}"
    if run.error:
        return f"{head} FAILED: {run.error}"
    result = derive(run.result)
    shown = (f"{metric.heading} {metric.form(result.get(metric.key, 0))}" for metric in scenario.columns[:2])
    faults = f", {result['faults']:.0f} FAULTS" if result["faults"] else ""
    froze = f", FROZE after {result['froze_at_s']:.1f} s" if result["froze_at_s"] >= 0 else ""
    return f"{head} {', '.join(shown)}{faults}{froze}"


def _publish(results: dict[str, Measured]) -> None:
    try:
        # imported late, so that a run on a machine without matplotlib still has its tables
        from benchmarks.plots import draw_all  # noqa: PLC0415
    except ImportError as problem:
        print(f"benchmarks: no plots: {problem}", file=sys.stderr)
        plots: dict[str, str] = {}
    else:
        plots = draw_all(results, RESULTS)
    write_readme(results, plots)


if __name__ == "__main__":
    sys.exit(main())
