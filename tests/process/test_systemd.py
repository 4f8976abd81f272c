"""What systemd hands over, and what it is told, without systemd: a socket plays it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from threadchat.process.systemd import Notifier, listen_fds

#: Runs twice in one process: hands three descriptors to itself, then says what each name holds.
_HANDS_DOWN = """
import json, os, sys
from threadchat.process.systemd import hand_down, listen_fds, owned_names

def holding(text):
    fd = os.memfd_create("test")
    os.write(fd, text.encode())
    return fd

if "again" not in sys.argv:
    lobby = [holding("v4"), holding("v6")]   # these are 3 and 4: in the way of their own successors
    variables = hand_down({"queue": [holding("queue")], "lobby": lobby}, owned=["lobby"])
    os.execve(sys.executable, [*sys.orig_argv, "again"], {**os.environ, **variables})
found = listen_fds()
print(json.dumps({
    "found": {name: [os.pread(fd, 9, 0).decode() for fd in fds] for name, fds in found.items()},
    "inheritable": [fd for fds in found.values() for fd in fds if os.get_inheritable(fd)],
    "owned": sorted(owned_names()),
    "left": [name for name in os.environ if name.startswith(("LISTEN_", "THREADCHAT_"))],
    "again": listen_fds(),
}))
"""


class Manager:
    """Plays systemd's end of the notification socket."""

    def __init__(self, address: str) -> None:
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sock.bind(address)

    def told(self) -> tuple[str, list[int]]:
        """Return the next message and its descriptors, which are now the caller's."""
        data, fds, _, _ = socket.recv_fds(self._sock, 4096, 16)
        return data.decode(), list(fds)

    def close(self) -> None:
        self._sock.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(str(tmp_path / "notify"))
    yield manager
    manager.close()


@pytest.fixture
def notifier(manager: Manager, tmp_path: Path) -> Notifier:
    return Notifier(str(tmp_path / "notify"))


def test_descriptors_arrive_under_their_names_after_an_exec() -> None:
    """Several to a name, in order, close-on-exec, and the environment is clean afterwards."""
    said = subprocess.run([sys.executable, "-c", _HANDS_DOWN], check=True, capture_output=True, text=True)

    assert json.loads(said.stdout) == {
        "found": {"queue": ["queue"], "lobby": ["v4", "v6"]},
        "inheritable": [],
        "owned": ["lobby"],
        "left": [],
        "again": {},
    }


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"LISTEN_PID": "1", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "lobby:echo"},
        {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "0"},
        {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "many"},
        {"LISTEN_PID": str(os.getpid())},
        {"LISTEN_FDS": "1"},
    ],
)
def test_nothing_is_taken_that_is_not_there_or_not_ours(variables: dict[str, str]) -> None:
    environ = {"PATH": "/bin", **variables}

    assert listen_fds(environ) == {}
    assert environ == {"PATH": "/bin"}


def test_each_state_is_told_in_systemds_words(manager: Manager, notifier: Notifier) -> None:
    assert notifier.ready()
    assert manager.told() == ("READY=1", [])
    assert notifier.stopping()
    assert manager.told() == ("STOPPING=1", [])
    assert notifier.pet()
    assert manager.told() == ("WATCHDOG=1", [])
    assert notifier.status("3 people\nin 1 room")
    assert manager.told() == ("STATUS=3 people in 1 room", [])
    assert notifier.discard("queue")
    assert manager.told() == ("FDSTOREREMOVE=1\nFDNAME=queue", [])
    assert notifier.reloading()
    text, _ = manager.told()
    assert text.startswith("RELOADING=1\nMONOTONIC_USEC=")


def test_stored_descriptors_are_the_very_ones(manager: Manager, notifier: Notifier) -> None:
    one, two = os.memfd_create("one"), os.memfd_create("two")
    assert notifier.store("queue", one, two)

    text, stored = manager.told()
    same = [os.path.sameopenfile(fd, copy) for fd, copy in zip((one, two), stored, strict=True)]
    for fd in (one, two, *stored):
        os.close(fd)

    assert text == "FDSTORE=1\nFDNAME=queue"
    assert same == [True, True]


def test_a_barrier_waits_until_systemd_has_come_to_it(manager: Manager, notifier: Notifier) -> None:
    """Everything before it has been acted on when it returns."""
    acted: list[str] = []

    def act() -> None:
        acted.append(manager.told()[0])
        _, (fd,) = manager.told()
        acted.append("closing")
        os.close(fd)

    systemd = threading.Thread(target=act, name="systemd")
    systemd.start()
    notifier.ready()
    passed = notifier.barrier()
    seen = list(acted)
    systemd.join()

    assert passed
    assert seen == ["READY=1", "closing"]


def test_a_barrier_gives_up_on_a_systemd_that_does_nothing(manager: Manager, notifier: Notifier) -> None:
    assert not notifier.barrier(timeout_seconds=0.01)
    for fd in manager.told()[1]:
        os.close(fd)


def test_an_abstract_address_is_understood() -> None:
    name = f"threadchat-test-{os.getpid()}"
    manager = Manager(f"\0{name}")
    assert Notifier(f"@{name}").ready()
    told = manager.told()
    manager.close()

    assert told == ("READY=1", [])


def test_without_systemd_or_with_a_dead_one_telling_is_harmless(tmp_path: Path) -> None:
    assert not Notifier(None).ready()
    assert not Notifier(None).barrier()
    assert not Notifier(str(tmp_path / "nobody")).ready()


def test_the_environment_is_read_once_and_can_be_handed_on() -> None:
    """A worker process must not find the variables; the next image of this process must."""
    variables = {
        "NOTIFY_SOCKET": "@systemd",
        "WATCHDOG_USEC": "20000000",
        "WATCHDOG_PID": str(os.getpid()),
    }
    environ = dict(variables)
    notifier = Notifier.from_environment(environ)

    assert environ == {}
    assert notifier.watchdog_seconds == 20.0
    assert notifier.variables() == variables
    assert Notifier.from_environment({}).variables() == {}


@pytest.mark.parametrize(
    "variables",
    [{"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "soon"}, {"WATCHDOG_USEC": "5000000", "WATCHDOG_PID": "1"}],
)
def test_a_watchdog_that_is_off_or_for_somebody_else_is_none(variables: dict[str, str]) -> None:
    assert Notifier.from_environment({"NOTIFY_SOCKET": "@systemd", **variables}).watchdog_seconds is None
