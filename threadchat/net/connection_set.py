"""The lock-guarded set of open connections of one listener."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator

from threadchat.base.errors import CloseReason
from threadchat.net.connection import Connection


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
        """Take a place; if there is none, *wait* for one, or return False. False too once closing."""
        with self._changed:
            while self._reserved >= self._limit and wait and not self._closing:
                self._changed.wait()
            if self._reserved >= self._limit or self._closing:
                return False
            self._reserved += 1
            return True

    def release(self) -> None:
        """Give back a place that was taken."""
        with self._changed:
            self._give_back()

    def add(self, connection: Connection) -> bool:
        """Add and number *connection*; False once closing: then it has no place, and must not be served."""
        with self._changed:
            connection.number = next(self._numbers)
            if self._closing:
                self._give_back()
            else:
                self._connections.add(connection)
            return not self._closing

    def adopt(self, connection: Connection, number: int) -> None:
        """Add *connection*, which has its place and its *number* from another process."""
        with self._changed:
            connection.number = number
            self._reserved += 1
            self._connections.add(connection)

    def hand_over(self, deadline: float) -> list[Connection]:
        """
        Have nothing more read from the connections that are kept, and end all others politely, by *deadline*.

        Returns the former: they can still be sent to, and are to be left behind when nobody does any more. The
        threads of most are left where they are, waiting for what will not come: to wake thousands would take
        seconds, and this process ends anyway. The other threads end; those that have not in time are cut.
        """
        with self._changed:  # nobody is discarded, and so no thread ends, while it is being signalled
            kept = {connection for connection in self._connections if connection.kept}
            for connection in self._connections - kept:
                connection.close(CloseReason.SHUTDOWN)
            ours = [connection for connection in kept if connection.reason is None]
            frozen = [connection for connection in ours if connection.freeze()]
            resting = {connection for connection in frozen if connection.rests()}
            for connection in ours:
                if connection not in resting:
                    connection.interrupt()
            self._connections -= resting
            self._reserved -= len(resting)
        for connection in resting:
            connection.save()
        self._wait_empty(deadline - time.monotonic())
        self.drain(deadline)
        return [connection for connection in kept if connection.reason is CloseReason.HANDED_OVER]

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
        """Take no more connections; wake whoever waits for a place."""
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
