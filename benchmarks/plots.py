"""SVG plots of the results, with matplotlib. A plot whose scenarios have not been measured is not drawn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from benchmarks.measure import Measured
from benchmarks.peers import BY_KEY as PEERS
from benchmarks.scenarios import BY_KEY as SCENARIOS

# the same numbers give the same bytes, and text stays text
matplotlib.rcParams.update({"svg.hashsalt": "threadchat", "svg.fonttype": "none", "font.size": 9})

Results = dict[str, Measured]

COLOURS = {
    "threadchat": "#c0392b",
    "hub": "#2980b9",
    "goroutines": "#85c1e9",
    "asyncio": "#b7950b",
    "uvloop": "#f4d03f",
    "naive": "#95a5a6",
    "ngircd": "#27ae60",
    "ncat": "#82e0aa",
    "ceiling": "#2c3e50",
}


def draw_all(results: Results, directory: Path) -> dict[str, str]:
    """Write the plots; return their captions by file name."""
    directory.mkdir(exist_ok=True)
    drawn: dict[str, str] = {}
    for name, (needs, caption, draw) in PLOTS.items():
        if not needs <= results.keys():
            continue
        figure = draw(results)
        path = directory / name
        figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")
        # matplotlib ends some lines with a space, which git would complain about
        path.write_text("\n".join(line.rstrip() for line in path.read_text().splitlines()) + "\n")
        drawn[name] = caption
    return drawn


def _throughput(results: Results) -> Figure:
    keys = ("a", "b", "c", "d", "e")
    figure = Figure(figsize=(13, 3))
    peers = list(SCENARIOS["a"].peers)[::-1]
    panels: Any = figure.subplots(1, len(keys), sharey=True)
    for axes, key in zip(panels, keys, strict=True):
        values = [_millions(results[key], "", peer) for peer in peers]
        axes.barh([PEERS[peer].title for peer in peers], values, color=[COLOURS[peer] for peer in peers])
        axes.set_title(f"({key}) {SCENARIOS[key].title}", fontsize=9)
        axes.set_xlabel("million deliveries/s")
    return figure


def _growth(results: Results) -> Figure:
    figure = Figure(figsize=(7, 4))
    _lines(figure.subplots(), results["growth"], "growth", "deliveries_per_s", "deliveries/s", "members")
    return figure


def _storm(results: Results) -> Figure:
    figure = Figure(figsize=(7, 4))
    _lines(figure.subplots(), results["j"], "j", "cpu_us_per_join", "server CPU µs per join", "people who join at once")
    return figure


def _latency(results: Results) -> Figure:
    keys = [key for key in ("a", "b", "c", "d", "f", "g") if key in results]
    figure = Figure(figsize=(9, 4))
    axes: Any = figure.subplots()
    for peer, colour in COLOURS.items():
        points = [(key, results[key].median("", peer, "p99_ms")) for key in keys if peer in SCENARIOS[key].peers]
        shown = [(keys.index(key), value) for key, value in points if value]
        if shown:
            axes.plot(*zip(*shown, strict=True), "o", color=colour, label=PEERS[peer].title)
    axes.set_yscale("log")
    axes.set_xticks(range(len(keys)), [f"({key})" for key in keys])
    axes.set_ylabel("p99 latency, ms")
    _finish(axes)
    return figure


def _stalled(results: Results) -> Figure:
    figure = Figure(figsize=(9, 3.5))
    _groups(figure.subplots(), results["h"], "h", "deliveries_per_s", "deliveries/s to those who read")
    return figure


def _echo(results: Results) -> Figure:
    figure = Figure(figsize=(9, 3.5))
    _groups(figure.subplots(), results["i"], "i", "round_trips_per_s", "round trips/s")
    return figure


def _connections(results: Results) -> Figure:
    figure = Figure(figsize=(9, 2.5))
    peers = list(SCENARIOS["g"].peers)[::-1]
    panels: Any = figure.subplots(1, 2, sharey=True)
    metrics = (("kb_per_connection", "KiB of server memory per connection"), ("accepted_per_s", "accepted per second"))
    for axes, (metric, heading) in zip(panels, metrics, strict=True):
        values = [results["g"].median("", peer, metric) or 0 for peer in peers]
        axes.barh([PEERS[peer].title for peer in peers], values, color=[COLOURS[peer] for peer in peers])
        axes.set_xlabel(heading)
    return figure


# ---- the three kinds of plot ----


def _lines(axes: Any, measured: Measured, key: str, metric: str, heading: str, along: str) -> None:
    """A line per peer over the variants, whose labels begin with a number."""
    for peer in SCENARIOS[key].peers:
        points = [
            (int(variant.split()[0].replace(",", "")), measured.median(variant, peer, metric))
            for variant in SCENARIOS[key].variants
        ]
        shown = [(x, y) for x, y in points if y]
        if shown:
            axes.plot(*zip(*shown, strict=True), "o-", color=COLOURS[peer], label=PEERS[peer].title)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel(along)
    axes.set_ylabel(heading)
    _finish(axes)


def _groups(axes: Any, measured: Measured, key: str, metric: str, heading: str) -> None:
    """A group of bars for each peer, a bar for each variant."""
    peers, variants = SCENARIOS[key].peers, list(SCENARIOS[key].variants)
    width = 0.8 / len(variants)
    for i, variant in enumerate(variants):
        places = [place + (i - (len(variants) - 1) / 2) * width for place in range(len(peers))]
        values = [measured.median(variant, peer, metric) or 0 for peer in peers]
        axes.bar(places, values, width, color=("#2c3e50", "#7f8c8d", "#d5d8dc")[i], label=variant)
    axes.set_xticks(range(len(peers)), [PEERS[peer].title for peer in peers], rotation=20)
    axes.set_ylabel(heading)
    _finish(axes)


def _finish(axes: Any) -> None:
    axes.grid(axis="y", linewidth=0.3)
    axes.legend(fontsize=8, bbox_to_anchor=(1.01, 1), loc="upper left")


def _millions(measured: Measured, variant: str, peer: str) -> float:
    return (measured.median(variant, peer, "deliveries_per_s") or 0) / 1e6


PLOTS: dict[str, tuple[set[str], str, Callable[[Results], Figure]]] = {
    "throughput.svg": ({"a", "b", "c", "d", "e"}, "Deliveries per second, scenarios a to e", _throughput),
    "growth.svg": ({"growth"}, "Deliveries per second as a room grows", _growth),
    "latency.svg": ({"c", "d"}, "99th percentile of latency", _latency),
    "stalled.svg": ({"h"}, "What the others get when some members never read", _stalled),
    "connections.svg": ({"g"}, "What 10,000 connections cost", _connections),
    "storm.svg": ({"j"}, "What a join costs as more people join at once", _storm),
    "echo.svg": ({"i"}, "Echo round trips", _echo),
}
