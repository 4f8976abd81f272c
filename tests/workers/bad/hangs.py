"""Neither answers nor comes back."""

from __future__ import annotations

import threading

from tests.workers.raw import serve


def hang(_: str) -> None:
    threading.Event().wait()


serve(hang)
