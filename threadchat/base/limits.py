"""
Limits as plain arithmetic: a token bucket for lines, a counter and a pacer for connections by address.

Nothing here starts a thread or sleeps; the clock is passed in. A :class:`TokenBucket` belongs to one
connection's thread. Any thread may call an :class:`AddressCounter` and an :class:`AddressPacer`.
"""

from __future__ import annotations

import functools
import ipaddress
import threading
from collections import Counter
from collections.abc import Callable

#: While a pacer knows no more networks than this, it does not look for those that it can forget.
_FEWEST_SWEPT = 1024


class TokenBucket:
    """
    Says how many lines may pass now, and how long to wait for the next one.

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
        Take *cost* tokens more, whether they are there or not. Missing tokens are owed, and waited for.

        At most the tokens of one second are owed, so that a low rate punishes nobody for a single thing.
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
    Counts connections by client network, up to ``limit`` each (0: no limit). Loopback is never limited.

    A network is an IPv4 address, or all IPv6 addresses with the same first ``ipv6_prefix`` bits: one subscriber
    has as many of those addresses as they like. ``limit`` may be changed at any time: connections are counted even
    while there is no limit.
    """

    def __init__(self, limit: int, ipv6_prefix: int = 64) -> None:
        self.limit = limit
        self._ipv6_prefix = ipv6_prefix
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def acquire(self, address: str) -> bool:
        """Count one more connection from *address*. Return False, and do not count it, if its network is full."""
        network = network_of(address, self._ipv6_prefix)
        if network is None:
            return True
        with self._lock:
            if self.limit and self._counts[network] >= self.limit:
                return False
            self._counts[network] += 1
            return True

    def adopt(self, address: str) -> None:
        """Count one more connection from *address* that exists already, whatever the limit."""
        if network := network_of(address, self._ipv6_prefix):
            with self._lock:
                self._counts[network] += 1

    def release(self, address: str) -> None:
        """Count one connection less from *address*. To be called once for each that was counted."""
        network = network_of(address, self._ipv6_prefix)
        if network is None:
            return
        with self._lock:
            self._counts[network] -= 1
            if not self._counts[network]:
                del self._counts[network]


class AddressPacer:
    """
    Says how long a new connection has to wait, so that a network makes at most ``per_minute`` a minute (0: no limit).

    A minute's worth of connections may come at once. Each further one waits until it is due, so the wait grows. A
    connection that would wait for more than ``MAX_WAIT_SECONDS`` is not let in at all. Loopback never waits.
    ``per_minute`` may be changed at any time.

    This is the generic cell rate algorithm (ITU-T I.371). It remembers one thing of each network: the time at which the
    network will have made up for its connections. After that time the network may be forgotten.
    """

    MAX_WAIT_SECONDS = 10.0

    def __init__(self, per_minute: int, clock: Callable[[], float], ipv6_prefix: int = 64) -> None:
        self.per_minute = per_minute
        self._clock = clock
        self._ipv6_prefix = ipv6_prefix
        self._lock = threading.Lock()
        self._even_at: dict[str, float] = {}
        self._sweep_over = _FEWEST_SWEPT

    def admit(self, address: str) -> float | None:
        """Return the seconds that a new connection from *address* has to wait; None: refuse it."""
        network = network_of(address, self._ipv6_prefix)
        if network is None or not self.per_minute:
            return 0.0
        now, interval = self._clock(), 60.0 / self.per_minute
        with self._lock:
            even_at = max(now, self._even_at.get(network, now)) + interval
            wait = max(0.0, even_at - now - 60.0)
            if wait > self.MAX_WAIT_SECONDS:
                return None
            self._even_at[network] = even_at
            if len(self._even_at) > self._sweep_over:
                self._sweep(now)
            return wait

    def _sweep(self, now: float) -> None:
        """Forget the networks that have made up. Do it again when twice as many are known. Caller holds the lock."""
        self._even_at = {network: even_at for network, even_at in self._even_at.items() if even_at > now}
        self._sweep_over = max(_FEWEST_SWEPT, 2 * len(self._even_at))


@functools.lru_cache(maxsize=1024)
def network_of(address: str, ipv6_prefix: int) -> str | None:
    """Return the network that *address* counts for; None if it is on this machine, and not counted."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:  # a unix socket has no address
        return None
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped:
            ip = ip.ipv4_mapped
        elif not ip.is_loopback:
            return str(ipaddress.ip_network((int(ip), ipv6_prefix), strict=False))
    return None if ip.is_loopback else str(ip)
