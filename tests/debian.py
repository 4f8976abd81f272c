"""Programs that tests need from Debian packages: installed as root, skipped by name otherwise."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import NoReturn

import pytest

#: Package for each program whose package has another name.
_PACKAGE = {
    "nc": "netcat-openbsd",
    "redis-server": "redis-server",
    "php": "php-cli",
    "systemd-analyze": "systemd",
    "dbus-daemon": "dbus",
    "ip": "iproute2",
    "redis-cli": "redis-tools",
    "ssh": "openssh-client",
}


def require(program: str) -> str:
    """
    Return the path of *program*, installing its package if this process may.

    Skips the test by name where it cannot be had; with ``CI=true`` that is a failure.
    """
    if found := shutil.which(program):
        return found
    package = _PACKAGE.get(program, program)
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
    """Skip this test because of *problem*; on a CI machine, where everything can be had, fail it."""
    if os.environ.get("CI") == "true":
        pytest.fail(problem)
    pytest.skip(problem)
