"""Ends in the middle of an event, with status 7."""

from __future__ import annotations

import os

from tests.workers.raw import serve


def bad(_: str) -> None:
    os._exit(7)


serve(bad)
