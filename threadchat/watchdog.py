"""
Proof of life: every loop that matters has a heartbeat, and the daemon is alive while all of them beat.

The threads that do the work beat; the main thread checks, and pets systemd's watchdog only if nobody has
fallen silent. There is no thread that only pets: it would hide the very hang it is there to show.
No socket here (systemd.py has it) and no clock: "silent" means between two calls of :meth:`Watchdog.check`.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable


class Heartbeat:
    """
    The pulse of one loop, or of one role that threads take in turn, such as a room's deliverer.

    Only the thread that runs the loop or holds the role calls :meth:`beat` and :meth:`rest`, so a role is
    given up after resting, not before. Both are attribute stores, cheap enough for every batch.
    A loop that ticks even when idle never rests.
    """

    __slots__ = ("__weakref__", "_beats", "_beats_checked", "_resting", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self._beats = 0
        self._beats_checked = -1
        self._resting = False

    def beat(self) -> None:
        """Prove progress, and owe the next proof within the time between two checks."""
        self._beats += 1
        self._resting = False

    def rest(self) -> None:
        """Owe nothing until the next :meth:`beat`: there is no work."""
        self._resting = True

    def silent(self) -> bool:
        """Whether this one has not beaten since the last call, although it was not resting."""
        # Read once: a beat between these lines counts for the next check, never for none.
        beats = self._beats
        silent = beats == self._beats_checked and not self._resting
        self._beats_checked = beats
        return silent


class Watchdog:
    """
    Pets as long as every heartbeat beats. Heartbeats may be added by any thread, and are watched as long as
    somebody holds them: a room's, as long as there is the room.

    ``interval_seconds`` is how often to call :meth:`check`: four times within *patience_seconds* (systemd's
    ``WatchdogSec=``), so that a loop that is late once, on a busy machine, is forgiven. None: there is no
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
        """Pet, unless somebody has been silent since the last check; return the names of those."""
        with self._lock:
            heartbeats = list(self._heartbeats)
        silent = [heartbeat.name for heartbeat in heartbeats if heartbeat.silent()]
        if not silent:
            self._pet()
        return silent
