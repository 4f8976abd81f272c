"""A heartbeat: how a loop that matters proves that it is alive. Who listens is process/watchdog.py."""

from __future__ import annotations


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
