"""Fixtures for whole processes and whole machines."""

from __future__ import annotations

from tests.box import box

__all__ = ["box"]
