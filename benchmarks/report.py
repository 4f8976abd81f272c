"""Writes the results into README.md, between two markers. The rest of that file is written by hand and stays."""

from __future__ import annotations

from pathlib import Path

from benchmarks.machine import REPOSITORY
from benchmarks.measure import Measured
from benchmarks.peers import PEERS
from benchmarks.scenarios import SCENARIOS
from benchmarks.tables import aims_table, scenario_tables

README = REPOSITORY / "benchmarks" / "README.md"
RESULTS = REPOSITORY / "benchmarks" / "results"

BEGIN = "<!-- results: written by the suite, edits are lost -->"
END = "<!-- end of results -->"


def render(results: dict[str, Measured], plots: dict[str, str]) -> str:
    """Return all results as markdown. `plots` are captions by file name."""
    if not results:
        return "Nothing has been measured yet.\n"
    lines = [*_facts(results), "", "## Aims", "", *aims_table(results), ""]
    if plots:
        lines += ["## Plots", ""]
        for name, caption in plots.items():
            lines += [f"![{caption}](results/{name})", ""]
    lines += ["## The servers", "", *(f"- **{peer.title}**: {peer.about}" for peer in PEERS), ""]
    lines += ["## Every server in every scenario", ""]
    for scenario in SCENARIOS:
        if scenario.key in results:
            lines += scenario_tables(scenario, results[scenario.key])
    return "\n".join(lines)


def _facts(results: dict[str, Measured]) -> list[str]:
    """Return the newest run's facts. Each scenario has its own date and commit in its footnote."""
    newest = max((measured.facts for measured in results.values()), key=lambda facts: facts["date"])
    return ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in newest.items())]


def write_readme(results: dict[str, Measured], plots: dict[str, str], path: Path = README) -> None:
    before, _, rest = path.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    path.write_text(f"{before}{BEGIN}\n\n{render(results, plots)}\n{END}{after}")
