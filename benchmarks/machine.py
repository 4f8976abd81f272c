"""What the results were measured on: the machine, the versions, the commit."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.peers import find_program

REPOSITORY = Path(__file__).parent.parent

VERSION_COMMANDS = {
    "Go": ("go", "version"),
    "gcc": ("gcc", "--version"),
    "ngIRCd": ("ngircd", "--version"),
    "ncat": ("ncat", "--version"),
}


def describe() -> dict[str, str]:
    """Return facts by name, in the order to print them."""
    cores = len(os.sched_getaffinity(0))
    facts = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit(),
        "machine": f"{cores} cores of {_cpu_model()}, {_memory_gib():.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
    }
    for name, (program, option) in VERSION_COMMANDS.items():
        facts[name] = _version(program, option)
    facts["load average at the start"] = f"{os.getloadavg()[0]:.2f}"
    return facts


def commit() -> str:
    """Return the checked-out commit, marked if `threadchat` or setup.cfg has changes."""
    head = _output(["git", "-C", str(REPOSITORY), "rev-parse", "--short=12", "HEAD"])
    changed = _output(["git", "-C", str(REPOSITORY), "status", "--porcelain", "--", "threadchat", "setup.cfg"])
    return f"{head} with changes" if changed else head or "unknown"


def _version(program: str, option: str) -> str:
    path = find_program(program)
    return _output([path, option]).partition("\n")[0] if path else "not installed"


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except OSError:
        return ""
    return (done.stdout or done.stderr).strip()  # ncat tells its version on stderr


def _cpu_model() -> str:
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return found[1] if found else platform.machine()


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
