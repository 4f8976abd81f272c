"""Ends in the middle of an event, with status 0."""

from __future__ import annotations

import os

from tests.workers.raw import serve


def bad(_: str) -> None:
    os._exit(0)


serve(bad)
