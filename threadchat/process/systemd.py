"""
What systemd and a daemon say to each other: inherited descriptors, and notifications.

The main thread reads once, at start, what systemd hands over. It removes those variables from the environment, so
worker processes do not believe that they are meant for them. Any thread may use a :class:`Notifier`: each message is
one datagram on a socket of its own. A daemon started by hand inherits nothing, and its notifications go nowhere.
:func:`hand_down` hands descriptors to a new image of this process in the same way as systemd does.

Sources: sd_listen_fds(3), sd_notify(3), sd_watchdog_enabled(3), https://systemd.io/FILE_DESCRIPTOR_STORE/.
Not here: when the watchdog is to be petted (watchdog.py), and what is put in the store (net/).
"""

from __future__ import annotations

import array
import fcntl
import os
import select
import socket
import time
from collections.abc import Collection, Mapping, MutableMapping, Sequence

#: The number of the first inherited descriptor, as the protocol has it.
_FIRST = 3
#: A variable of our own, beside systemd's.
_OWNED = "THREADCHAT_OWNED_FDNAMES"


def listen_fds(environ: MutableMapping[str, str] = os.environ) -> dict[str, list[int]]:
    """
    Take the descriptors that were handed over, by ``FileDescriptorName=`` or ``FDNAME=``, in systemd's order.

    They are made close-on-exec. The variables are removed, so a second call finds nothing. Descriptors
    that were meant for another process (``LISTEN_PID``) are left alone.
    """
    pid, count = environ.pop("LISTEN_PID", ""), environ.pop("LISTEN_FDS", "")
    names = environ.pop("LISTEN_FDNAMES", "").split(":")
    if pid != str(os.getpid()) or not count.isdecimal():
        return {}
    found: dict[str, list[int]] = {}
    for index in range(int(count)):
        name = names[index] if index < len(names) else ""
        os.set_inheritable(_FIRST + index, False)
        found.setdefault(name or "unknown", []).append(_FIRST + index)  # sd_listen_fds(3) says "unknown"
    return found


def owned_names(environ: MutableMapping[str, str] = os.environ) -> frozenset[str]:
    """Take the names of the descriptors that a predecessor opened itself, and did not get from systemd."""
    return frozenset(environ.pop(_OWNED, "").split(":"))


def hand_down(fds: Mapping[str, Sequence[int]], owned: Collection[str]) -> dict[str, str]:
    """
    Put *fds* where :func:`listen_fds` looks for them after an ``exec`` in this process; return its variables.

    *owned* are the names of the descriptors that the next program is to clean up after, see :func:`owned_names`.

    The descriptors get the numbers from 3 on. Other descriptors with these numbers are closed. So every other thread
    must have stopped using descriptors, and the ``exec`` must follow at once. (In a process that systemd has started,
    most of these numbers belong to inherited descriptors anyway.)
    """
    named = [(name, fd) for name, group in fds.items() for fd in group]
    aside = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _FIRST + len(named)) for _, fd in named]
    for number, fd in enumerate(aside, start=_FIRST):
        os.dup2(fd, number, inheritable=True)
    return {
        "LISTEN_PID": str(os.getpid()),  # exec keeps the process id
        "LISTEN_FDS": str(len(named)),
        "LISTEN_FDNAMES": ":".join(name for name, _ in named),
        _OWNED: ":".join(owned),
    }


class Notifier:
    """
    Tells systemd how the daemon is, and gives it descriptors to keep.

    ``address`` is ``NOTIFY_SOCKET``, or None where nobody listens. ``watchdog_seconds`` is ``WatchdogSec=``, or
    None. Nothing here raises: a daemon does not stop serving because its supervisor cannot be told.
    """

    def __init__(self, address: str | None, watchdog_seconds: float | None = None) -> None:
        # An abstract socket is written with @ in the environment and with NUL in the kernel, unix(7).
        self._address = "\0" + address[1:] if address and address.startswith("@") else address
        self.watchdog_seconds = watchdog_seconds if address else None

    @classmethod
    def from_environment(cls, environ: MutableMapping[str, str] = os.environ) -> Notifier:
        """Return the notifier that *environ* describes, and remove its variables."""
        address = environ.pop("NOTIFY_SOCKET", None)
        microseconds = environ.pop("WATCHDOG_USEC", "")
        meant_for_us = environ.pop("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        enabled = meant_for_us and microseconds.isdecimal() and int(microseconds) > 0
        return cls(address, int(microseconds) / 1e6 if enabled else None)

    @property
    def listened_to(self) -> bool:
        """Whether there is anybody to tell."""
        return self._address is not None

    def variables(self) -> dict[str, str]:
        """Return what :meth:`from_environment` took, for the next image of this process."""
        if not self._address:
            return {}
        found = {"NOTIFY_SOCKET": self._address.replace("\0", "@", 1)}
        if self.watchdog_seconds:
            found |= {
                "WATCHDOG_USEC": str(round(self.watchdog_seconds * 1e6)),
                "WATCHDOG_PID": str(os.getpid()),
            }
        return found

    def ready(self) -> bool:
        """Say that everything listens, at start and after a reload."""
        return self.notify("READY=1")

    def reloading(self) -> bool:
        """Say that a reload has begun; :meth:`ready` ends it."""
        # MONOTONIC_USEC is for Type=notify-reload, systemd 253 and newer; older ones ignore it.
        return self.notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> bool:
        """Say that the daemon is on its way out."""
        return self.notify("STOPPING=1")

    def status(self, text: str) -> bool:
        """Show *text*, one line, in ``systemctl status``."""
        return self.notify("STATUS=" + text.replace("\n", " "))

    def pet(self) -> bool:
        """Keep the watchdog quiet for another ``watchdog_seconds``."""
        return self.notify("WATCHDOG=1")

    def store(self, name: str, *fds: int) -> bool:
        """Have *fds* outlive this process: in the next one, :func:`listen_fds` returns them as *name*."""
        return self.notify("FDSTORE=1", f"FDNAME={name}", fds=fds)

    def discard(self, name: str) -> bool:
        """Have everything that is kept as *name* closed."""
        return self.notify("FDSTOREREMOVE=1", f"FDNAME={name}")

    def barrier(self, timeout_seconds: float = 5.0) -> bool:
        """Wait until systemd has acted on everything it was told before, descriptors included."""
        ours, theirs = os.pipe()
        try:
            told = self.notify("BARRIER=1", fds=[theirs])  # systemd closes its copy: a hang-up at our end
        finally:
            os.close(theirs)
        try:
            poll = select.poll()
            poll.register(ours, 0)
            return told and bool(poll.poll(timeout_seconds * 1000))
        finally:
            os.close(ours)

    def notify(self, *assignments: str, fds: Sequence[int] = ()) -> bool:
        """Send one message; return whether somebody took it."""
        if not self._address:
            return False
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            try:
                sock.sendmsg(["\n".join(assignments).encode()], rights, 0, self._address)
            except OSError:
                return False
        return True
