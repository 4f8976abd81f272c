"""
Which incoming lines are only the echo of what this user has just said.

A third of other people's servers send a talker's line back to the talker, who has seen it already.
A line counts as an echo if exactly that line was said at most two seconds ago. A line that was said once has one echo
only. Only actions have two forms, ``** John waves`` and, in older servers, ``* John waves``.
Pure, with an injected clock; used by the user interface's thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

ECHO_SECONDS = 2.0


class OwnLines:
    """The lines that were said last and have not come back so far."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._said: deque[tuple[float, str]] = deque()

    def said(self, line: str) -> None:
        """Note that *line* has just been sent."""
        self._forget_old()
        self._said.append((self._clock(), _key(line)))

    def is_echo(self, line: str) -> bool:
        """Whether *line* has just been said here. True once for each time it was said."""
        self._forget_old()
        for said in self._said:
            if said[1] == _key(line):
                self._said.remove(said)
                return True
        return False

    def _forget_old(self) -> None:
        oldest = self._clock() - ECHO_SECONDS
        while self._said and self._said[0][0] < oldest:
            self._said.popleft()


def _key(line: str) -> str:
    return line[1:] if line.startswith("** ") else line
