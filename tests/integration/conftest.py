"""Fixtures for whole processes and whole machines."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.box import box, fresh_box

__all__ = ["box", "fresh_box"]

ROOT = Path(__file__).parents[2]
#: The machine's own: a box has nothing but /usr.
PYTHON = Path("/usr/bin/python3")


def make(target: str, stage: Path, checkout: Path = ROOT) -> None:
    """Run ``make install`` or ``make uninstall`` for the directory *stage*."""
    command = ["make", "--directory", str(checkout), target, f"DESTDIR={stage}", f"PYTHON={PYTHON}"]
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh checkout, in which nothing has been made yet."""
    nothing_made = shutil.ignore_patterns(".*", "build", "*.egg-info", "__pycache__")
    return shutil.copytree(ROOT, tmp_path_factory.mktemp("fresh") / "checkout", ignore=nothing_made)


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory, checkout: Path) -> Path:
    """A directory that plays the root of a machine where threadchat has been installed."""
    stage = tmp_path_factory.mktemp("stage")
    make("install", stage, checkout)
    return stage
