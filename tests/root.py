"""What only root can test."""

from __future__ import annotations

import os

import pytest

#: How the reason for such a skip begins: an ordinary user may skip for no other one where ``CI=true``.
ROOT_ONLY = "only for root: "


def require(what: str) -> None:
    """Skip this test, unless root runs it. *what* is what takes root: ``to mount a disk``."""
    if os.geteuid() != 0:
        pytest.skip(f"{ROOT_ONLY}{what}")
