"""How a run of the client ends: its exit status, and the one line that says why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class ExitCode(IntEnum):
    """The exit status of ``threadchat-client``: a public interface, and the table in its ``--help``."""

    LEFT = 0
    NO_CONNECTION = 1
    USAGE = 2
    SERVER_GONE = 3
    NAME_REFUSED = 4
    OUTPUT_LOST = 5
    INTERRUPTED = 130  # 128 + SIGINT, as a shell reports it
    TERMINATED = 143  # 128 + SIGTERM


@dataclass(frozen=True, slots=True)
class Ending:
    """An exit code, and what to say on stderr if the user does not know it already."""

    code: ExitCode
    message: str = ""


LEFT = Ending(ExitCode.LEFT)
#: What Ctrl-D shows at a terminal, as in a shell: the word that does the same.
FAREWELL = "exit"
INTERRUPTED = Ending(ExitCode.INTERRUPTED, "interrupted")
TERMINATED = Ending(ExitCode.TERMINATED, "terminated")


def server_gone(reason: str) -> Ending:
    """Return the ending for a connection that the server, or the network, has ended."""
    return Ending(ExitCode.SERVER_GONE, reason)


def name_refused(refusal: str) -> Ending:
    """Return the ending for a name that a script cannot have, in the server's words."""
    return Ending(ExitCode.NAME_REFUSED, f"{refusal} Nothing was sent: choose another name with --name.")


def output_lost(problem: str) -> Ending:
    """Return the ending for a standard output that takes no more, such as a full disk."""
    return Ending(ExitCode.OUTPUT_LOST, f"cannot write what is said: {problem}")


class Terminated(BaseException):
    """SIGTERM has come: what KeyboardInterrupt is for SIGINT."""
