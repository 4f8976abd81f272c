"""
A box: a real systemd as PID 1, booted once for all tests that ask for the fixture ``box``.

``systemd_box.sh`` makes it from this machine's own /usr and a few namespaces, in less than a second. It has a
loopback network of its own. :meth:`Box.connect` reaches that network from the test's process.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests import debian, root

_SCRIPT = Path(__file__).with_name("systemd_box.sh")
_CLONE_NEWNET = 0x40000000


class Box:
    """The booted box. ``root`` is the path of its file system on this machine."""

    def __init__(self, directory: Path) -> None:
        self._environment = dict(os.environ, BOX_DIR=str(directory))
        self._script("up")
        self._init = (directory / "pids").read_text().split()[2]
        self.root = Path(f"/proc/{self._init}/root")

    def run(self, *command: str, check: bool = True) -> str:
        """Run *command* in the box and return its output. If *check* and it fails, raise BoxError with its output."""
        return self._script("run", *command, check=check)

    def systemctl(self, *arguments: str, check: bool = True) -> str:
        """Run systemctl in the box and return its output."""
        return self.run("systemctl", *arguments, check=check)

    def copy(self, source: Path, target: str) -> None:
        """Copy *source*, a file or a directory, to *target* in the box. The copy belongs to root."""
        self._script("copy", str(source), target)

    def write(self, target: str, text: str) -> None:
        """Write a file in the box."""
        path = self.root / target.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def read(self, path: str) -> str:
        """Return the text of a file in the box."""
        return (self.root / path.lstrip("/")).read_text()

    def show(self, unit: str, *properties: str) -> dict[str, str]:
        """Return *properties* of *unit*."""
        said = self.systemctl("show", f"--property={','.join(properties)}", unit)
        return dict(line.split("=", 1) for line in said.splitlines())

    def journal(self, unit: str, *options: str) -> str:
        """Return what *unit* has logged since the boot."""
        return self.run("journalctl", "--boot", "--no-pager", f"--unit={unit}", *options)

    def connect(self, port: int, host: str = "127.0.0.1") -> socket.socket:
        """Connect to a port of the box's own network, from this process."""
        # In a thread of its own: only the thread that calls setns enters the network, and this one ends right after.
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="box-connect") as visitor:
            return visitor.submit(self._enter_and_connect, host, port).result()

    def down(self) -> None:
        """Power the box off and remove everything that was made for it."""
        self._script("down")

    def _enter_and_connect(self, host: str, port: int) -> socket.socket:
        with open(f"/proc/{self._init}/ns/net", "rb") as namespace:
            if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
        return socket.create_connection((host, port), timeout=30)

    def _script(self, *arguments: str, check: bool = True) -> str:
        done = subprocess.run(
            [str(_SCRIPT), *arguments],
            env=self._environment,
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        if check and done.returncode:
            raise BoxError(f"{' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout


class BoxError(Exception):
    """Something did not succeed in the box, or the box could not be booted."""


@pytest.fixture(scope="session")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """Boot the box once. Where that is not possible, skip the tests that need it."""
    with _booted(tmp_path_factory.mktemp("systemd") / "box") as box:
        yield box


@pytest.fixture(scope="module")
def fresh_box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """Boot a box for one module, whose tests change the machine."""
    with _booted(tmp_path_factory.mktemp("systemd") / "box") as box:
        yield box


@contextlib.contextmanager
def _booted(directory: Path) -> Iterator[Box]:
    root.require("to boot a systemd in a box")
    debian.require("systemd-analyze")
    debian.require("dbus-daemon")
    try:
        box = Box(directory)
    except BoxError as error:
        debian.unavailable(f"a systemd box cannot be booted here: {error}")
    try:
        yield box
    finally:
        box.down()
