"""
The flusher: one thread that finishes what would have blocked another thread.

It waits (epoll) for room in the kernel's buffers of the few receivers that lag behind. It sends what is queued for
them, and cuts off those that make no progress. It also runs small actions that are due later.

Any thread may call ``watch``, ``forget`` and ``later``. The first two are called under the connection's send lock,
which is taken before the flusher's own lock. The flusher holds no lock while it calls a connection.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import math
import os
import select
import threading
import time
from collections.abc import Callable
from typing import Protocol

from threadchat.base.heartbeat import Heartbeat

#: How often lagging receivers are looked at for progress, in seconds.
CHECK_SECONDS = 1.0


class Lagging(Protocol):
    """What the flusher needs of a connection that has something left to send."""

    def flush(self) -> bool:
        """Send what the kernel will take; return whether there is more."""

    def check_progress(self, now: float) -> None:
        """Give the connection up if its receiver has taken nothing for too long."""


class Flusher:
    """Start it with :meth:`start`; :meth:`stop` ends and joins its thread."""

    def __init__(self, heartbeat: Heartbeat | None = None) -> None:
        self._heartbeat = heartbeat or Heartbeat("flusher")
        self._heartbeat.rest()
        self._epoll = select.epoll()
        self._wake_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._epoll.register(self._wake_fd, select.EPOLLIN)
        self._lock = threading.Lock()
        self._lagging: dict[int, Lagging] = {}
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()  # breaks ties in the heap
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="flusher", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; what is due later is run now."""
        self._stopping = True
        self._wake()
        if self._thread.ident is not None:
            self._thread.join()
        for action in self._take_due(math.inf):
            action()
        with self._lock:  # other threads may still send, and so call watch() and forget()
            self._lagging.clear()
            self._epoll.close()
        os.close(self._wake_fd)

    def watch(self, connection: Lagging, fd: int) -> None:
        """Call ``connection.flush()`` once as soon as its descriptor *fd* can be written to."""
        events = select.EPOLLOUT | select.EPOLLONESHOT
        with self._lock:
            if self._epoll.closed:
                return
            if fd in self._lagging:
                self._epoll.modify(fd, events)
                return
            self._lagging[fd] = connection
            self._epoll.register(fd, events)
            first = len(self._lagging) == 1
        if first:
            self._wake()  # the thread may be waiting without a time-out

    def forget(self, fd: int) -> None:
        """Do not watch *fd* any longer. To be called before the descriptor is closed."""
        with self._lock:
            if self._lagging.pop(fd, None) is not None:
                self._epoll.unregister(fd)

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Run *action*, which must not block, in so many *seconds*."""
        with self._lock:
            entry = (time.monotonic() + seconds, next(self._order), action)
            heapq.heappush(self._due, entry)
            first = self._due[0] is entry
        if first:
            self._wake()

    def _wake(self) -> None:
        os.eventfd_write(self._wake_fd, 1)

    def _run(self) -> None:
        checked_at = time.monotonic()
        while not self._stopping:
            self._heartbeat.rest()
            events = self._epoll.poll(self._patience())
            self._heartbeat.beat()
            for fd, _ in events:
                if fd == self._wake_fd:
                    with contextlib.suppress(BlockingIOError):
                        os.eventfd_read(self._wake_fd)
                    continue
                with self._lock:
                    connection = self._lagging.get(fd)
                if connection:
                    connection.flush()
            now = time.monotonic()
            for action in self._take_due(now):
                action()
            if now - checked_at >= CHECK_SECONDS:
                checked_at = now
                with self._lock:
                    lagging = list(self._lagging.values())
                for connection in lagging:
                    connection.check_progress(now)

    def _patience(self) -> float | None:
        with self._lock:
            if self._due:
                wait = max(0.0, self._due[0][0] - time.monotonic())
                return min(wait, CHECK_SECONDS) if self._lagging else wait
            return CHECK_SECONDS if self._lagging else None

    def _take_due(self, now: float) -> list[Callable[[], None]]:
        actions = []
        with self._lock:
            while self._due and self._due[0][0] <= now:
                actions.append(heapq.heappop(self._due)[2])
        return actions
