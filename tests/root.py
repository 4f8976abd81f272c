"""Skips for tests that only root can run, and for tests that root cannot run."""

from __future__ import annotations

import os

import pytest

#: How the reason for such a skip begins. With ``CI=true``, an ordinary user may skip a test only for the first reason,
#: and root only for the second.
ROOT_ONLY, NOT_FOR_ROOT = "only for root: ", "not for root: "


def require(what: str) -> None:
    """Skip this test unless root runs it. *what* says what only root can do: ``to mount a disk``."""
    if os.geteuid() != 0:
        pytest.skip(f"{ROOT_ONLY}{what}")


def refuse(why: str) -> None:
    """Skip this test if root runs it. *why* says why root cannot test it: ``root may write everywhere``."""
    if os.geteuid() == 0:
        pytest.skip(f"{NOT_FOR_ROOT}{why}")
