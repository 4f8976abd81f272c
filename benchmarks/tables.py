"""Markdown from results: the aims and how far they are met, then a table for each scenario, ratios first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from benchmarks.measure import Measured
from benchmarks.peers import BY_KEY as PEERS
from benchmarks.scenarios import FAULTS, SCENARIOS, Aim, Metric, Scenario

US = "threadchat"
REFERENCES = ("hub", "ceiling")  # each table shows its ranking metric in proportion to theirs


@dataclass(frozen=True)
class Verdict:
    """An aim, and the median of the results (for faults, the worst result)."""

    aim: Aim
    variant: str
    reached: float | None

    @property
    def met(self) -> bool:
        if self.reached is None:
            return False
        return self.reached >= self.aim.bound if self.aim.at_least else self.reached <= self.aim.bound


def verdicts(scenario: Scenario, measured: Measured) -> Iterator[Verdict]:
    for aim in scenario.aims:
        for variant in [aim.variant] if aim.variant else scenario.variants:
            yield Verdict(aim, variant, _reached(scenario, measured, aim, variant))


def _reached(scenario: Scenario, measured: Measured, aim: Aim, variant: str) -> float | None:
    ours = measured.values(variant, US, aim.metric.key)
    if not (aim.against or aim.over):
        if aim.metric is FAULTS:
            return measured.worst(variant, US, FAULTS.key)
        return measured.median(variant, US, aim.metric.key)
    if aim.over:
        theirs = measured.values(aim.over, US, aim.metric.key)
    elif aim.against == "best":
        theirs = _best(scenario, measured, aim.metric, variant)
    else:
        theirs = measured.values(variant, aim.against, aim.metric.key)
    return _ratio(ours, theirs)


def _best(scenario: Scenario, measured: Measured, metric: Metric, variant: str) -> dict[int, float]:
    """Return the best competitor's result of each round."""
    pick = max if metric.more_is_better else min
    best: dict[int, float] = {}
    for key in scenario.peers:
        if key == US or not PEERS[key].competitor:
            continue
        for number, value in measured.values(variant, key, metric.key).items():
            best[number] = pick(best.get(number, value), value)
    return best


def _ratio(ours: dict[int, float], theirs: dict[int, float]) -> float | None:
    """Return the median of the rounds' ratios."""
    ratios = [ours[number] / theirs[number] for number in ours if theirs.get(number)]
    return median(ratios) if ratios else None


# ---- the aims ----


def aims_table(results: dict[str, Measured]) -> list[str]:
    lines = ["| scenario | measured | reached | aim | |", "|---|---|--:|--:|---|"]
    for scenario in SCENARIOS:
        if scenario.key in results:
            lines += [_aim_row(scenario, v) for v in verdicts(scenario, results[scenario.key])]
    return lines


def _aim_row(scenario: Scenario, verdict: Verdict) -> str:
    aim = verdict.aim
    where = f"({scenario.key}) {scenario.title}" + (f", {verdict.variant}" if verdict.variant else "")
    name = f"**{aim.metric.heading}**"
    if aim.over:
        name += f" ÷ the same with {aim.over}"
    elif aim.against:
        name += f" ÷ {_possessive(aim.against)}"
    sign = "≥" if aim.at_least else "≤"
    is_ratio = bool(aim.against or aim.over)
    show = "{:.2f} ×".format if is_ratio else aim.metric.form
    reached = "not measured" if verdict.reached is None else show(verdict.reached)
    mark = "met" if verdict.met else "**not met**"
    return f"| {where} | {name} | {reached} | {sign} {show(aim.bound)} | {mark} |"


def _possessive(against: str) -> str:
    return "the best peer's" if against == "best" else f"{PEERS[against].title}'s"


# ---- one scenario ----


def scenario_tables(scenario: Scenario, measured: Measured) -> list[str]:
    lines = [f"### ({scenario.key}) {scenario.title}", "", scenario.question, ""]
    for variant in scenario.variants:
        if variant:
            lines += [f"**{variant}**", ""]
        lines += [*_variant_table(scenario, measured, variant), ""]
    lines += [_footnote(measured), ""]
    return lines


def _variant_table(scenario: Scenario, measured: Measured, variant: str) -> list[str]:
    ranking, *_ = scenario.columns
    references = [key for key in REFERENCES if key in scenario.peers]
    against_base = scenario.base and variant != scenario.base
    headings = ["server"]
    if against_base:
        headings.append(f"{ranking.heading} ÷ its own with {scenario.base}")
    headings += [f"{ranking.heading} ÷ {_possessive(key)}" for key in references]
    headings += [metric.heading for metric in scenario.columns]
    lines = [_row(headings), _row(["---"] + ["--:"] * (len(headings) - 1))]

    def rank(key: str) -> float:
        value = measured.median(variant, key, ranking.key)
        if value is None:
            return float("inf")
        return -value if ranking.more_is_better else value

    asked = {run.peer for run in measured.runs} | measured.missing.keys()
    for key in sorted(asked, key=rank):
        name = f"**{PEERS[key].title}**" if key == US else PEERS[key].title
        ours = measured.values(variant, key, ranking.key)
        if not ours:
            reason = measured.missing.get(key) or measured.error(variant, key) or "not measured"
            lines.append(_row([name, reason.replace("|", "/").replace("\n", " ")]))
            continue
        cells = [name]
        if against_base:
            cells.append(_times(_ratio(ours, measured.values(scenario.base, key, ranking.key))))
        cells += [_times(_ratio(ours, measured.values(variant, other, ranking.key))) for other in references]
        lines.append(_row(cells + [_cell(measured, variant, key, metric) for metric in scenario.columns]))
    return lines


def _cell(measured: Measured, variant: str, peer: str, metric: Metric) -> str:
    value = (measured.worst if metric is FAULTS else measured.median)(variant, peer, metric.key)
    return "" if value is None else metric.form(value)


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f} ×"


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _footnote(measured: Measured) -> str:
    facts = measured.facts
    limits = {run.peer: run.nofile for run in measured.runs if run.nofile}
    values = sorted(set(limits.values()))
    if len(values) == 1:
        nofile = f"every server may open {values[0]:,} descriptors"
    else:
        nofile = "descriptors: " + ", ".join(f"{PEERS[key].title} {limits[key]:,}" for key in limits)
    note = f"Medians of {measured.rounds} round{'s' if measured.rounds > 1 else ''}"
    note += ", quick (not to be quoted)" if measured.quick else ""
    note += f", {facts['date']}, commit {facts['commit']}; {nofile}."
    failed = sorted({f"{PEERS[run.peer].title}: {run.error}" for run in measured.runs if run.error})
    if measured.missing:
        note += " Missing: " + "; ".join(f"{PEERS[k].title} ({why})" for k, why in measured.missing.items()) + "."
    if failed:
        note += " Failed runs: " + "; ".join(failed).replace("\n", " ") + "."
    return f"<sub>{note}</sub>"
