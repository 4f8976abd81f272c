"""
Limits as plain arithmetic: a token bucket for lines, a counter for connections by address.

No thread and no sleeping here; the clock is passed in. A :class:`TokenBucket` belongs to one
connection's thread. An :class:`AddressCounter` may be called from any thread.
"""

from __future__ import annotations

import functools
import ipaddress
import threading
from collections import Counter
from collections.abc import Callable


class TokenBucket:
    """
    How many lines may pass now, and how long to wait for the next one.

    ``rate`` lines a second, after a burst of ``burst`` lines; a rate of 0 is no limit at all.
    """

    __slots__ = ("_burst", "_clock", "_rate", "_tokens", "_updated")

    def __init__(self, rate: float, burst: int, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._burst = max(burst, 1)
        self._clock = clock
        self._tokens = float(self._burst)
        self._updated = clock()

    def take(self, wanted: int) -> int:
        """Take up to *wanted* tokens and return how many were there to take."""
        if not self._rate:
            return wanted
        if wanted > self._tokens:
            self._refill()
        taken = wanted if wanted <= self._tokens else max(int(self._tokens), 0)
        self._tokens -= taken
        return taken

    def spend(self, cost: int) -> None:
        """
        Take *cost* tokens more, whether they are there or not: what is missing is owed, and waited for.

        No more is owed than a second brings, so that a low rate punishes nobody for a single thing.
        """
        self._refill()
        self._tokens = max(self._tokens - cost, -self._rate)

    def wait(self) -> float:
        """Return the seconds until there is a token to take."""
        if not self._rate:
            return 0.0
        self._refill()
        return max(0.0, (1.0 - self._tokens) / self._rate)

    def _refill(self) -> None:
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._updated) * self._rate)
        self._updated = now


class AddressCounter:
    """
    Counts connections by client address, up to ``limit`` each (0: no limit). Loopback is never limited.

    ``limit`` may be changed at any time: all are counted, limited or not.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def acquire(self, address: str) -> bool:
        """Count one more connection from *address*, unless it has its number already."""
        if _is_loopback(address):
            return True
        with self._lock:
            if self.limit and self._counts[address] >= self.limit:
                return False
            self._counts[address] += 1
            return True

    def adopt(self, address: str) -> None:
        """Count one more connection from *address*, which is there already."""
        if not _is_loopback(address):
            with self._lock:
                self._counts[address] += 1

    def release(self, address: str) -> None:
        """Count one connection less from *address*. To be called once for every successful acquire."""
        if _is_loopback(address):
            return
        with self._lock:
            self._counts[address] -= 1
            if not self._counts[address]:
                del self._counts[address]


@functools.lru_cache
def _is_loopback(address: str) -> bool:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:  # a unix socket has no address: it is as local as can be
        return True
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    return ip.is_loopback
