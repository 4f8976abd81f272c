"""A heartbeat: how a loop that matters proves that it is alive. process/watchdog.py checks all of them."""

from __future__ import annotations


class Heartbeat:
    """
    The pulse of one loop, or of one role that threads take in turn, such as a room's deliverer.

    Only the thread that runs the loop or holds the role calls :meth:`beat` and :meth:`rest`. So a thread
    rests first, and then gives up the role. Both calls are attribute stores, cheap enough for every batch.
    A loop that ticks even when idle never rests.
    """

    __slots__ = ("__weakref__", "_beats", "_beats_checked", "_resting", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self._beats = 0
        self._beats_checked = -1
        self._resting = False

    def beat(self) -> None:
        """Prove progress. From now on, another proof is due between any two checks."""
        self._beats += 1
        self._resting = False

    def rest(self) -> None:
        """Say that there is no work: no proof is due until the next :meth:`beat`."""
        self._resting = True

    def silent(self) -> bool:
        """Return whether this one has not beaten since the last call, although it was not resting."""
        # Read the count once: a beat between these lines then counts for the next check, and is not lost.
        beats = self._beats
        silent = beats == self._beats_checked and not self._resting
        self._beats_checked = beats
        return silent
