"""
Proof of life: every loop that matters has a heartbeat, and the daemon is alive while all of them beat.

The threads that do the work beat. The main thread checks, and pets systemd's watchdog only if no heartbeat
is silent. There is no thread that only pets: it would hide the very hang it is there to show.
There is no socket here (systemd.py has it) and no clock: "silent" means that there was no beat between two
calls of :meth:`Watchdog.check`.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable

from threadchat.base.heartbeat import Heartbeat


class Watchdog:
    """
    Pets as long as every heartbeat beats. Any thread may add a heartbeat. It is watched as long as somebody
    holds it: a room's heartbeat, for example, as long as the room exists.

    ``interval_seconds`` is the time between two calls of :meth:`check`: a quarter of *patience_seconds* (systemd's
    ``WatchdogSec=``), so that a loop that is late once, on a busy machine, is forgiven. None means that there is no
    watchdog, and no need to check.
    """

    def __init__(self, pet: Callable[[], object], patience_seconds: float | None) -> None:
        self._pet = pet
        self._lock = threading.Lock()
        self._heartbeats: weakref.WeakSet[Heartbeat] = weakref.WeakSet()
        self.interval_seconds = patience_seconds / 4 if patience_seconds else None

    def heartbeat(self, name: str) -> Heartbeat:
        """Return a new heartbeat, watched from now on; *name* is for the log."""
        heartbeat = Heartbeat(name)
        with self._lock:
            self._heartbeats.add(heartbeat)
        return heartbeat

    def check(self) -> list[str]:
        """Pet, unless a heartbeat has been silent since the last check. Return the names of the silent ones."""
        with self._lock:
            heartbeats = list(self._heartbeats)
        silent = [heartbeat.name for heartbeat in heartbeats if heartbeat.silent()]
        if not silent:
            self._pet()
        return silent
