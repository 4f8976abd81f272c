"""Programs that tests need from Debian packages. Root installs them. For other users, the test is skipped by name."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from typing import NoReturn

import pytest

#: Every program that a test needs, and its package.
PACKAGES = {
    "curl": "curl",
    "dbus-daemon": "dbus",
    "ip": "iproute2",
    "mandoc": "mandoc",
    "nc": "netcat-openbsd",
    "nmap": "nmap",
    "php": "php-cli",
    "redis-cli": "redis-tools",
    "ssh": "openssh-client",
    "systemd-analyze": "systemd",
    "telnet": "telnet",
    "tmux": "tmux",
}


def require(program: str) -> str:
    """
    Return the path of *program*. Install its package first if it is missing and this process may.

    If the program cannot be had, skip the test, with a reason that names it.
    """
    if found := shutil.which(program):
        return found
    package = PACKAGES[program]
    problem = f"{program} (Debian package {package}) is not installed"
    if os.geteuid() == 0 and shutil.which("apt-get"):
        environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
        for arguments in (["update"], ["install", "--yes", "--no-install-recommends", package]):
            subprocess.run(
                ["apt-get", "--quiet", "-o", "DPkg::Lock::Timeout=300", *arguments],
                env=environment,
                check=False,
                capture_output=True,
            )
        if found := shutil.which(program):
            return found
        problem += " and could not be installed"
    unavailable(problem)
    return None


def unavailable(problem: str) -> NoReturn:
    """Skip this test because of *problem*. With ``CI=true`` this is a failure, as everything can be had there."""
    pytest.skip(problem)


def require_all() -> None:
    """Install all missing programs, as root, before an ordinary user runs the tests: that user may not install any."""
    for program in PACKAGES:
        with contextlib.suppress(pytest.skip.Exception):
            require(program)


if __name__ == "__main__":
    require_all()
