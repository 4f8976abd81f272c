"""The lock-guarded set of open connections of one listener."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator

from threadchat.base.errors import CloseReason
from threadchat.net.connection import Connection

#: How long to wait for one connection's thread at a time, in seconds.
_PARK_SECONDS = 0.01
#: How long everybody else waits for the connections that are just ending, in seconds.
_ENDING_SECONDS = 0.5


class ConnectionSet:
    """
    Open connections, up to a number. Callable from any thread.

    A place is taken with :meth:`reserve` before a connection is accepted, so that a full listener can
    leave the next one in the kernel's backlog; ``add`` fills it and ``discard`` gives it back.
    """

    def __init__(self, limit: int, numbers: Iterator[int] | None = None) -> None:
        """*numbers* are for its connections: shared by sets, if they are to be unique among all of them."""
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
        """How many connections there may be. Those over a new limit stay."""
        return self._limit

    @limit.setter
    def limit(self, limit: int) -> None:
        with self._changed:
            self._limit = limit
            self._changed.notify_all()

    def reserve(self, wait: bool) -> bool:
        """Take a place; if there is none, *wait* for one, or return False. Nobody waits once closing."""
        with self._changed:
            while self._reserved >= self._limit and wait and not self._closing:
                self._changed.wait()
            if self._reserved >= self._limit:
                return False
            self._reserved += 1
            return True

    def release(self) -> None:
        """Give back a place that was taken."""
        with self._changed:
            self._give_back()

    def add(self, connection: Connection) -> None:
        """Add and number *connection*, which has its place."""
        with self._changed:
            connection.number = next(self._numbers)
            self._connections.add(connection)

    def adopt(self, connection: Connection, number: int) -> None:
        """Add *connection*, which has its place and its *number* from another process."""
        with self._changed:
            connection.number = number
            self._reserved += 1
            self._connections.add(connection)

    def hand_over(self, deadline: float) -> tuple[list[Connection], list[Connection]]:
        """
        Leave the connections that are kept to a successor, and end all others politely.

        Returns the former in two lists: those that are parked, and those whose threads still act at *deadline*
        (monotonic seconds). All of them can still be sent to.
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
        """Park all connections; return those that are, and those that end or still act at *deadline*."""
        acting, ending, parked = self.snapshot(), list[Connection](), list[Connection]()
        patience = 0.0  # most are parked at once; the others are done soon
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
        """End *connections* politely, and those that are left at *deadline* at once."""
        for connection in connections:
            connection.close(CloseReason.SHUTDOWN)
        with self._changed:
            while (left := self._connections.intersection(connections)) and time.monotonic() < deadline:
                self._changed.wait(_PARK_SECONDS)
        for connection in left:
            connection.abandon()

    def drain(self, deadline: float) -> int:
        """
        End all connections politely, and cut those that are left at *deadline* (monotonic seconds).

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
        """Have nobody wait for a place any longer."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    def _give_back(self) -> None:
        """Free a place; wake whom that concerns: thousands may leave at once. Caller holds the lock."""
        self._reserved -= 1
        if not self._reserved or self._reserved == self._limit - 1:
            self._changed.notify_all()

    def _wait_empty(self, timeout: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._reserved, timeout)
