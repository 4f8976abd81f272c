"""Programs that tests need from Debian packages: installed as root, skipped by name otherwise."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from typing import NoReturn

import pytest

#: Programs, and the package of each. Those that are not here are in a package of their own name.
PACKAGES = {
    "dbus-daemon": "dbus",
    "nc": "netcat-openbsd",
    "php": "php-cli",
    "systemd-analyze": "systemd",
    "ip": "iproute2",
    "redis-cli": "redis-tools",
    "ssh": "openssh-client",
    "telnet": "telnet",
}


def require(program: str) -> str:
    """
    Return the path of *program*, installing its package if this process may.

    Skips the test by name where it cannot be had.
    """
    if found := shutil.which(program):
        return found
    package = PACKAGES.get(program, program)
    problem = f"{program} (Debian package {package}) is not installed"
    if os.geteuid() == 0 and shutil.which("apt-get"):
        environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
        for arguments in (["update"], ["install", "--yes", "--no-install-recommends", package]):
            subprocess.run(["apt-get", "--quiet", *arguments], env=environment, check=False, capture_output=True)
        if found := shutil.which(program):
            return found
        problem += " and could not be installed"
    unavailable(problem)
    return None


def unavailable(problem: str) -> NoReturn:
    """Skip this test because of *problem*; where ``CI=true``, and everything can be had, that is a failure."""
    pytest.skip(problem)


def require_all() -> None:
    """Install what is missing, for those who may not: an ordinary user who runs the tests after this."""
    for program in PACKAGES:
        with contextlib.suppress(pytest.skip.Exception):
            require(program)


if __name__ == "__main__":
    require_all()
