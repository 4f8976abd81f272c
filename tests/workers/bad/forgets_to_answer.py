"""Does not answer, and waits for the next event."""

from __future__ import annotations

from tests.workers.raw import serve

serve(lambda _: None)
