"""What only root can test, and what root cannot."""

from __future__ import annotations

import os

import pytest

#: How the reason for such a skip begins. Where ``CI=true``, an ordinary user may skip for the first one only, and root
#: for the second one only.
ROOT_ONLY, NOT_FOR_ROOT = "only for root: ", "not for root: "


def require(what: str) -> None:
    """Skip this test, unless root runs it. *what* is what takes root: ``to mount a disk``."""
    if os.geteuid() != 0:
        pytest.skip(f"{ROOT_ONLY}{what}")


def refuse(why: str) -> None:
    """Skip this test if root runs it. *why* root cannot test it: ``root may write everywhere``."""
    if os.geteuid() == 0:
        pytest.skip(f"{NOT_FOR_ROOT}{why}")
