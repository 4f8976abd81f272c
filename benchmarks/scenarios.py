"""The table of scenarios: for each, the load, the servers, the columns to show, and the aims.

Options are those of load/fanload.c and load/pingload.c. A later option overrides an earlier one: the scenario's come
first, then the variant's, then the peer's, then `quick` if the run is a quick one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

Result = Mapping[str, float]


@dataclass(frozen=True)
class Metric:
    """A number of a result, as a table shows it."""

    key: str
    heading: str
    form: Callable[[float], str]
    more_is_better: bool = False


def _rate(value: float) -> str:
    if value < 10_000:
        return f"{value:,.0f}"
    return f"{value / 1e6:.2f} M" if value >= 1e6 else f"{value / 1e3:,.0f} k"


def _milliseconds(value: float) -> str:
    return f"{value:.3f}" if value < 1 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def _megabytes(kilobytes: float) -> str:
    return f"{kilobytes / 1024:.1f}"


RATE = Metric("deliveries_per_s", "deliveries/s", _rate, more_is_better=True)
P50 = Metric("p50_ms", "p50 ms", _milliseconds)
P99 = Metric("p99_ms", "p99 ms", _milliseconds)
CPU = Metric("cpu_us_per_delivery", "server CPU µs/delivery", "{:.2f}".format)
LOAD = Metric("load_cpu", "generator's CPU", "{:.0%}".format)
FAULTS = Metric("faults", "lost, doubled, reordered, garbled", "{:,.0f}".format)
ACCEPTED = Metric("accepted_per_s", "accepted/s", _rate, more_is_better=True)
MEMORY = Metric("kb_per_connection", "KiB/connection", "{:.1f}".format)
IDLE = Metric("idle_cpu", "CPU while idle", "{:.2%}".format)
GROWTH = Metric("rss_growth_kb", "memory growth MiB", _megabytes)
CUT_OFF = Metric("dropped_by_server", "cut off by server", "{:.0f}".format)
FROZE = Metric("froze_at_s", "froze after", lambda value: f"{value:.1f} s" if value >= 0 else "–")
ROUND_TRIPS = Metric("round_trips_per_s", "round trips/s", _rate, more_is_better=True)
GREETED = Metric("greeted_s", "all greeted s", "{:.2f}".format)
DRAINED = Metric("drained_s", "last notice s", "{:.2f}".format)
JOIN_CPU = Metric("cpu_us_per_join", "server CPU µs/join", "{:.0f}".format)
JOIN_BYTES = Metric("bytes_per_member", "bytes to each member", "{:,.0f}".format)


@dataclass(frozen=True)
class Aim:
    """What threadchat is to reach: a bound on `metric`, or on its ratio to the same metric elsewhere.

    `against` is a peer's key, "best" (the best competitor of that round) or empty. `over` names another variant:
    threadchat is compared with itself in that one. A ratio is taken in each round, and the median of the rounds counts.
    """

    metric: Metric
    bound: float
    at_least: bool = True
    against: str = ""
    over: str = ""
    variant: str = ""  # empty: every variant


@dataclass(frozen=True)
class Scenario:
    key: str
    title: str
    question: str
    peers: tuple[str, ...]
    columns: tuple[Metric, ...]  # the first one ranks the table
    load: str
    variants: Mapping[str, str]  # label: options
    aims: tuple[Aim, ...] = ()
    base: str = ""  # the variant that the others are compared with, peer by peer
    program: str = "fanload"
    app: str = "chat"
    quick: str = "--seconds 0.5"


ALL = ("threadchat", "hub", "goroutines", "asyncio", "uvloop", "naive", "ngircd", "ncat", "ceiling")
FAN_OUT = (RATE, P50, P99, CPU, LOAD, FAULTS)


def _fan_out_aims(go: float, ceiling: float) -> tuple[Aim, ...]:
    return (
        Aim(RATE, go, against="hub"),
        Aim(P99, 1.0, at_least=False, against="hub"),
        Aim(RATE, ceiling, against="ceiling"),
        Aim(RATE, 1.0, against="best"),
        Aim(FAULTS, 0, at_least=False),
    )


SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        "a",
        "One talker at full speed",
        "100 members, 1 talker with up to 64 lines under way.",
        ALL,
        FAN_OUT,
        "--members 100 --talkers 1 --window 64 --seconds 2",
        {"": ""},
        _fan_out_aims(1.5, 0.7),
    ),
    Scenario(
        "b",
        "Ten talkers",
        "100 members, 10 talkers with up to 8 lines under way each.",
        ALL,
        FAN_OUT,
        "--members 100 --talkers 10 --window 8 --seconds 2",
        {"": ""},
        _fan_out_aims(1.2, 0.7),
    ),
    Scenario(
        "c",
        "Everybody talks",
        "100 members, all of whom talk, each waiting until its line has been seen.",
        ALL,
        FAN_OUT,
        "--members 100 --talkers 100 --window 1 --seconds 2",
        {"": ""},
        _fan_out_aims(1.0, 0.45),
    ),
    Scenario(
        "d",
        "A big room",
        "1,000 members, 100 talkers, each waiting until its line has been seen.",
        ALL,
        FAN_OUT,
        "--members 1000 --talkers 100 --window 1 --seconds 2",
        {"": ""},
        _fan_out_aims(2.0, 0.7),
    ),
    Scenario(
        "e",
        "Nothing to batch",
        "100 members, 1 talker that waits until each line has been seen: the kernel is the cost.",
        ALL,
        FAN_OUT,
        "--members 100 --talkers 1 --window 1 --seconds 2",
        {"": ""},
        (Aim(RATE, 0.95, against="best"), Aim(FAULTS, 0, at_least=False)),
    ),
    Scenario(
        "f",
        "A lively evening",
        "Open loop: 1,000 members, each of whom speaks every 10 s; latency from the moment a line was due.",
        ("threadchat", "hub", "asyncio", "uvloop", "naive", "ngircd", "ceiling"),
        (P99, P50, CPU, FAULTS),
        "--members 1000 --talkers 1000 --rate 0.1 --seconds 10",
        {"": ""},
        (
            Aim(P50, 1.0, at_least=False, against="hub"),
            Aim(P99, 1.0, at_least=False, against="hub"),
            Aim(FAULTS, 0, at_least=False),
        ),
        quick="--seconds 1",
    ),
    Scenario(
        "g",
        "Ten thousand connections",
        "10,000 connections; then 5 s of silence; then 10 talkers with a line every 2 s each.",
        ("threadchat", "hub", "asyncio", "uvloop", "naive", "ceiling"),
        (P99, P50, ACCEPTED, MEMORY, IDLE, FAULTS),
        "--members 10000 --talkers 10 --rate 0.5 --idle 5 --seconds 8 --settle 11000",
        {"": ""},
        (
            Aim(MEMORY, 28, at_least=False),
            Aim(IDLE, 0.005, at_least=False),
            Aim(ACCEPTED, 0.5, against="hub"),
            Aim(P99, 1.5, at_least=False, against="hub"),
            Aim(FAULTS, 0, at_least=False),
        ),
        quick="--members 1000 --idle 1 --seconds 2",
    ),
    Scenario(
        "h",
        "Stalled readers",
        "110 members, 20 talkers with up to 32 lines under way; none, 1 or 10 of the members never read. Deliveries "
        "are those to the others; a server that froze is charged for the whole time. The kernel takes some 4 MB for a "
        "reader that has stalled: a server too slow to send that in these 4 s does not show what it would do then.",
        ("threadchat", "hub", "goroutines", "uvloop", "naive", "ngircd", "ncat"),
        (RATE, P99, FROZE, GROWTH, CUT_OFF, FAULTS),
        "--members 110 --talkers 20 --window 32 --seconds 4",
        {"none stalled": "", "1 stalled": "--stalled 1", "10 stalled": "--stalled 10"},
        (
            Aim(RATE, 0.9, over="none stalled", variant="1 stalled"),
            Aim(RATE, 0.9, over="none stalled", variant="10 stalled"),
            Aim(FAULTS, 0, at_least=False),
        ),
        base="none stalled",
        quick="--seconds 2",
    ),
    Scenario(
        "i",
        "Echo round trips",
        "Each connection sends a 64-byte line and waits for its echo.",
        ("threadchat", "hub", "asyncio", "uvloop", "naive", "ceiling"),
        (ROUND_TRIPS, P50, P99, LOAD, FAULTS),
        "--seconds 1.5",
        {
            "1 connection": "--connections 1",
            "10 connections": "--connections 10",
            "100 connections": "--connections 100",
        },
        (Aim(ROUND_TRIPS, 0.95, against="best"), Aim(FAULTS, 0, at_least=False)),
        program="pingload",
        app="echo",
    ),
    Scenario(
        "w",
        "Workers",
        "Each connection sends a 64-byte line, which one of two worker processes (built on the SDK) sends back.",
        ("threadchat", "rr_host", "worker_threads"),
        (ROUND_TRIPS, P50, P99, LOAD, FAULTS),
        "--seconds 2",
        {
            "1 connection": "--connections 1",
            "10 connections": "--connections 10",
            "100 connections": "--connections 100",
        },
        (
            Aim(ROUND_TRIPS, 2.0, against="rr_host", variant="1 connection"),
            Aim(ROUND_TRIPS, 1.0, against="rr_host", variant="10 connections"),
            Aim(ROUND_TRIPS, 1.0, against="rr_host", variant="100 connections"),
            Aim(P99, 1.0, at_least=False, against="rr_host"),
            Aim(FAULTS, 0, at_least=False),
        ),
        program="pingload",
        app="worker",
    ),
    Scenario(
        "j",
        "A join storm",
        "All members connect at once (to ngIRCd, only as fast as its small backlog allows). Of these servers only "
        "threadchat and ngIRCd tell the room who has come (threadchat when they have stayed for three seconds).",
        ("threadchat", "hub", "uvloop", "naive", "ngircd"),
        (JOIN_CPU, GREETED, DRAINED, JOIN_BYTES),
        "--storm --settle 5000",
        {"100 join": "--members 100", "300 join": "--members 300", "1,000 join": "--members 1000"},
        # The aim is that a join costs no more in a larger crowd, except for the notices: among 1,000, at most twice as
        # much as among 100. A server that tells everybody of everybody pays ten times as much.
        (Aim(JOIN_CPU, 2.0, at_least=False, over="100 join", variant="1,000 join"),),
        base="100 join",
        quick="--settle 5000",
    ),
    Scenario(
        "k",
        "What it costs to remember",
        "The loads of a to e, and 10 members who all talk, each waiting until its line has been seen. History is in "
        "memory, in SQLite so that it outlives the process, or so that it outlives a power cut.",
        ("threadchat", "process", "power"),
        (RATE, P50, P99, CPU, FAULTS),
        "--seconds 2",
        {
            "a": "--members 100 --talkers 1 --window 64",
            "b": "--members 100 --talkers 10 --window 8",
            "c": "--members 100 --talkers 100 --window 1",
            "d": "--members 1000 --talkers 100 --window 1",
            "e": "--members 100 --talkers 1 --window 1",
            "10 of 10": "--members 10 --talkers 10 --window 1",
        },
        # with SQLite: at least 0.8 of the rate with memory; 0.95 if there is nothing to batch, 0.6 in a small room
        (
            *(Aim(RATE, 1 / 0.8, at_least=False, against="process", variant=variant) for variant in "abcd"),
            Aim(RATE, 1 / 0.95, at_least=False, against="process", variant="e"),
            Aim(RATE, 1 / 0.6, at_least=False, against="process", variant="10 of 10"),
            Aim(FAULTS, 0, at_least=False),
        ),
    ),
    Scenario(
        "growth",
        "How cost grows",
        "10 talkers with up to 8 lines under way, in rooms of 10 to 5,000.",
        ("threadchat", "hub", "uvloop", "naive", "ceiling"),
        (RATE, P99, CPU, FAULTS),
        "--talkers 10 --window 8 --seconds 2",
        {
            "10 members": "--members 10",
            "100 members": "--members 100",
            "1,000 members": "--members 1000",
            "5,000 members": "--members 5000",
        },
        (Aim(FAULTS, 0, at_least=False),),
    ),
)

BY_KEY = {scenario.key: scenario for scenario in SCENARIOS}


def derive(result: Result) -> dict[str, float]:
    """Return the generator's numbers, and those that follow from them."""
    derived = dict(result)
    # the missing lines of a frozen server are under way, not lost; a column of its own says that it froze
    lost = 0 if result.get("frozen") else result.get("lost", 0)
    other = ("duplicated", "reordered", "garbled", "closed", "wrong", "unanswered")
    derived["faults"] = lost + sum(result.get(key, 0) for key in other)
    derived["froze_at_s"] = result.get("last_delivery_s", 0) if result.get("frozen") else -1.0
    derived["rss_growth_kb"] = result.get("rss_peak_kb", 0) - result.get("rss_idle_kb", 0)
    return derived
