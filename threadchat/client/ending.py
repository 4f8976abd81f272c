"""How a run of the client ends: its exit status, and the one line that says why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class ExitCode(IntEnum):
    """The exit status of ``threadchat-client``: an interface, and the table in its ``--help``."""

    LEFT = 0
    NO_CONNECTION = 1
    USAGE = 2
    SERVER_GONE = 3
    INTERRUPTED = 130  # 128 + SIGINT, as a shell reports it
    TERMINATED = 143  # 128 + SIGTERM


@dataclass(frozen=True, slots=True)
class Ending:
    """An exit code, and what to say on stderr where the user does not know already."""

    code: ExitCode
    message: str = ""


LEFT = Ending(ExitCode.LEFT)
HUNG_UP = Ending(ExitCode.LEFT, "left")  # Ctrl-D at a terminal: nothing else shows that it was seen
INTERRUPTED = Ending(ExitCode.INTERRUPTED, "interrupted")
TERMINATED = Ending(ExitCode.TERMINATED, "terminated")


def server_gone(reason: str) -> Ending:
    """Return the ending for a connection that the server, or the network, has ended."""
    return Ending(ExitCode.SERVER_GONE, reason)
