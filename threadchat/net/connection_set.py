"""The set of open connections of one server, on all its listeners. A lock guards it."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator

from threadchat.base.errors import CloseReason
from threadchat.net.connection import Connection

#: How long one wait lasts: for one thread to be parked, or for connections to end, in seconds.
_PARK_SECONDS = 0.01
#: How long a hand-over waits for the connections that are just ending, in seconds.
_ENDING_SECONDS = 0.5


class ConnectionSet:
    """
    Open connections, up to a limit. Any thread may call it.

    Each connection needs a place, which :meth:`reserve` takes. ``add`` fills the place, and ``discard`` gives it back.
    A listener may take the place before it accepts: while the set is full, the next connection then stays in the
    kernel's backlog.
    """

    def __init__(self, limit: int, numbers: Iterator[int] | None = None) -> None:
        """*numbers* numbers the connections. Sets that share it give no number twice."""
        self._limit = limit
        self._changed = threading.Condition()
        self._connections: set[Connection] = set()
        self._reserved = 0  # places taken, filled or not
        self._closing = False
        self._numbers = numbers or itertools.count(1)

    def __len__(self) -> int:
        return len(self._connections)

    @property
    def limit(self) -> int:
        """How many connections there may be. If a new limit is lower, the connections over it stay."""
        return self._limit

    @limit.setter
    def limit(self, limit: int) -> None:
        with self._changed:
            self._limit = limit
            self._changed.notify_all()

    def reserve(self, wait: bool) -> bool:
        """Take a place. If none is free, *wait* for one, or return False. After :meth:`close` nobody waits."""
        with self._changed:
            while self._reserved >= self._limit and wait and not self._closing:
                self._changed.wait()
            if self._reserved >= self._limit:
                return False
            self._reserved += 1
            return True

    def release(self) -> None:
        """Give back a place that was taken and not filled."""
        with self._changed:
            self._give_back()

    def add(self, connection: Connection) -> None:
        """Number *connection*, and add it in a place that was taken for it."""
        with self._changed:
            connection.number = next(self._numbers)
            self._connections.add(connection)

    def adopt(self, connection: Connection, number: int) -> None:
        """Add *connection* with the *number* that a predecessor gave it. It gets a place even over the limit."""
        with self._changed:
            connection.number = number
            self._reserved += 1
            self._connections.add(connection)

    def hand_over(self, deadline: float) -> tuple[list[Connection], list[Connection]]:
        """
        Park the connections that are kept, for a successor, and end all others politely.

        Returns the kept connections in two lists: those that are parked, and those whose threads still act at
        *deadline* (monotonic seconds). All of them can still be sent to.
        """
        self._end([connection for connection in self.snapshot() if not connection.kept], deadline)
        parked, acting = self._park(deadline)
        ending = [connection for connection in parked if connection.reason or not connection.kept]
        for connection in ending:
            connection.unpark()
        ending += [connection for connection in acting if connection.reason]
        self._end(ending, min(deadline, time.monotonic() + _ENDING_SECONDS))
        gone = set(ending)
        return [c for c in parked if c not in gone], [c for c in acting if c not in gone]

    def _park(self, deadline: float) -> tuple[list[Connection], list[Connection]]:
        """Park all connections. Return the parked ones, and those that are ending or still act at *deadline*."""
        acting, ending, parked = self.snapshot(), list[Connection](), list[Connection]()
        patience = 0.0  # in the first round: most are parked at once, and the others are done soon
        while acting and (left := deadline - time.monotonic()) > 0:
            still_acting: list[Connection] = []
            for connection in acting:
                if connection.park(min(patience, left)):
                    parked.append(connection)
                else:
                    (ending if connection.reason else still_acting).append(connection)
            acting, patience = still_acting, _PARK_SECONDS
        return parked, acting + ending

    def _end(self, connections: list[Connection], deadline: float) -> None:
        """End *connections* politely. Abandon those that are left at *deadline*."""
        for connection in connections:
            connection.close(CloseReason.SHUTDOWN)
        with self._changed:
            while (left := self._connections.intersection(connections)) and time.monotonic() < deadline:
                self._changed.wait(_PARK_SECONDS)
        for connection in left:
            connection.abandon()

    def drain(self, deadline: float) -> int:
        """
        End all connections politely. Cut those that are left at *deadline* (monotonic seconds).

        Returns how many had to be cut.
        """
        for connection in self.snapshot():
            connection.close(CloseReason.SHUTDOWN)
        self._wait_empty(deadline - time.monotonic())
        left = self.snapshot()
        for connection in left:
            connection.cut(CloseReason.SHUTDOWN)
        self._wait_empty(1.0)
        return len(left)

    def discard(self, connection: Connection) -> None:
        """Remove *connection*, if it is there, and give back its place."""
        with self._changed:
            if connection in self._connections:
                self._connections.remove(connection)
                self._give_back()

    def snapshot(self) -> list[Connection]:
        """Return the connections that are open now."""
        with self._changed:
            return list(self._connections)

    def close(self) -> None:
        """Wake everybody who waits for a place. From now on nobody waits."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    def _give_back(self) -> None:
        """
        Free a place. Caller holds the lock.

        Thousands may leave at once, so it wakes the waiting threads only if the set is empty now, or no longer full.
        """
        self._reserved -= 1
        if not self._reserved or self._reserved == self._limit - 1:
            self._changed.notify_all()

    def _wait_empty(self, timeout: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._reserved, timeout)
