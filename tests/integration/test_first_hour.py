"""
The first hour of somebody who has a fresh Debian and docs/operations.md.

The commands are those of the document, typed into a machine with a real systemd. Where a unit is edited, what the
document shows next is typed into the editor.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass

import pytest

from tests.box import Box, BoxError
from tests.crowd import Crowd
from tests.integration.conftest import PYTHON, ROOT
from tests.talker import Talker

#: The machine's address in its LAN.
LAN = "192.0.2.1"
CLONE = "/root/threadchat"
CLONED = ("LICENSE", "Makefile", "README.md", "pyproject.toml", "setup.cfg", "systemd", "threadchat")
CONFIG = "/etc/threadchat/threadchat.toml"

#: An editor that writes what it is given between systemd's two comments.
EDITOR = """#!/bin/sh
sed -i '/^### Anything between here/r /srv/typed' "$1"
"""


#: What is needed of sudo: a terminal, without which systemctl does not edit.
SUDO = """#!/bin/bash
exec script --quiet --return --command "$(printf '%q ' "$@")" /dev/null
"""


@dataclass(frozen=True)
class Block:
    """A block of the document, and the heading it is under."""

    heading: str
    language: str
    text: str


def blocks() -> list[Block]:
    found, heading = [], ""
    document = (ROOT / "docs/operations.md").read_text()
    for match in re.finditer(r"^## ([^\n]+)$|^```(\w+)\n(.*?)^```$", document, re.MULTILINE | re.DOTALL):
        if match[1]:
            heading = match[1]
        else:
            found.append(Block(heading, match[2], match[3]))
    return found


class Administrator:
    """Somebody who does what the document says, a chapter at a time."""

    def __init__(self, machine: Box) -> None:
        self._machine = machine

    def does(self, heading: str) -> str:
        """Do what is under *heading*; return what the last command printed."""
        mine = [block for block in blocks() if block.heading == heading]
        assert mine, heading
        said = ""
        for block, following in zip(mine, [*mine[1:], Block("", "", "")], strict=True):
            match block.language:
                case "toml":
                    self._machine.write(CONFIG, self._machine.read(CONFIG) + block.text)
                case "sh":
                    self._machine.write("/srv/typed", following.text)
                    said = self.types(block.text)
        return said

    def types(self, commands: str) -> str:
        """Type *commands*, in the clone, until one fails."""
        environment = ["env", "EDITOR=/srv/editor", f"PYTHON={PYTHON}"]
        return self._machine.run(*environment, "sh", "-ec", f"cd {CLONE}\n{commands}")


@pytest.fixture(scope="module")
def machine(fresh_box: Box, tmp_path_factory: pytest.TempPathFactory) -> Box:
    """A machine in a LAN, with a clone; the packages that threadchat needs come from a directory, not from the net."""
    packages = tmp_path_factory.mktemp("packages")
    build = [
        str(PYTHON),
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--wheel-dir",
        str(packages),
        "setuptools",
        "wheel",
        *requirements(),
    ]
    subprocess.run(build, check=True, capture_output=True)
    fresh_box.copy(packages, "/srv/packages")
    fresh_box.write("/etc/pip.conf", "[global]\nno-index = true\nfind-links = /srv/packages\n")
    fresh_box.write("/srv/editor", EDITOR)
    fresh_box.run("chmod", "755", "/srv/editor")
    fresh_box.write("/usr/local/bin/sudo", SUDO)
    fresh_box.run("chmod", "755", "/usr/local/bin/sudo")
    for name in CLONED:
        fresh_box.copy(ROOT / name, f"{CLONE}/{name}")
    fresh_box.run("ip", "address", "add", f"{LAN}/24", "dev", "lo")
    return fresh_box


def requirements() -> list[str]:
    wanted = re.search(r"install_requires =\n((?:    .+\n)+)", (ROOT / "setup.cfg").read_text())
    assert wanted
    return wanted[1].split()


def greeted(machine: Box, port: int, welcome: str = "Welcome to the chatroom!") -> Talker:
    talker = Talker(machine.connect(port, LAN))
    talker.sees(welcome)
    talker.sees_matching(r"\* You are guest-\d+, .*")
    return talker


@pytest.fixture(scope="module")
def upgraded(machine: Box) -> Box:
    """
    From a clone to a service in a LAN, with two ports, that is upgraded while ten people talk.

    Nobody is disconnected, and no line is lost.
    """
    administrator = Administrator(machine)

    administrator.does("Install")
    assert "Welcome to the chatroom!" in administrator.types("echo hello | threadchat-client --name Ann")
    with pytest.raises(OSError, match="refused"):
        machine.connect(7007, LAN)
    with Talker(machine.connect(7007)) as early:
        early.sees("Welcome to the chatroom!")
        administrator.does("Let others in")
        early.says("/quit")
        early.waits_for("* Goodbye!")

    tell_nobody_to_slow_down(machine)
    administrator.does("Change the configuration")
    people = Crowd([machine.connect(7007, LAN) for _ in range(10)])
    try:
        people.talks()
        administrator.does("A second room, a second port")
        greeted(machine, 7008, "Welcome, operators!").leaves()
        provide_an_upgrade(machine)
        administrator.does("Upgrade")
        assert "9.9.9" in administrator.types("threadchat --version")
        people.falls_silent()
        assert people.lost() == 0
    finally:
        people.leaves()
    return machine


def test_it_is_open_to_the_lan_on_two_ports(upgraded: Box) -> None:
    """Both are doors to one room."""
    with greeted(upgraded, 7007) as alice, greeted(upgraded, 7008, "Welcome, operators!") as bob:
        bob.says("hello from the other port")
        alice.sees_matching(r"guest-\d+: hello from the other port")


def test_a_wrong_configuration_is_not_loaded_and_the_log_says_why(upgraded: Box) -> None:
    administrator = Administrator(upgraded)
    good = upgraded.read(CONFIG)
    upgraded.write(CONFIG, f"wrong = 1\n{good}")
    with pytest.raises(BoxError):
        administrator.does("Change the configuration")
    with pytest.raises(BoxError):
        administrator.types("sudo systemctl reload threadchat")
    assert "wrong: unknown key" in administrator.types("journalctl -u threadchat -p err -o cat")
    upgraded.write(CONFIG, good)
    administrator.does("Change the configuration")
    assert "connection_opened" in administrator.types("journalctl -u threadchat -g connection_opened -o cat")
    administrator.does("The log")


def test_it_stops_and_starts_with_all_its_ports(upgraded: Box) -> None:
    administrator = Administrator(upgraded)
    stop, start = [block.text for block in blocks() if block.heading == "Stop"]
    with greeted(upgraded, 7007) as alice:
        administrator.types(stop)
        alice.waits_for("* The server is shutting down. Goodbye!")
    for port in (7007, 7008):
        with pytest.raises(OSError, match="refused"):
            upgraded.connect(port, LAN)
    administrator.types(start)
    for port, welcome in ((7007, "Welcome to the chatroom!"), (7008, "Welcome, operators!")):
        greeted(upgraded, port, welcome).leaves()


def test_it_is_uninstalled_and_leaves_what_is_the_administrators(upgraded: Box) -> None:
    """Not while it runs. The clone is as it was."""
    administrator = Administrator(upgraded)
    with pytest.raises(BoxError, match="threadchat is running"):
        administrator.types("make uninstall")
    assert "/etc/threadchat" in administrator.does("Uninstall")
    left = upgraded.run("find", "/opt", "/usr/local/bin", "/etc/systemd/system", "-name", "threadchat*")
    assert set(left.split()) == {f"/etc/systemd/system/threadchat{name}.socket.d" for name in ("", "@ops")}
    assert "threadchat" not in administrator.types("systemctl list-unit-files")
    assert set(upgraded.run("ls", CLONE).split()) == set(CLONED)


def tell_nobody_to_slow_down(machine: Box) -> None:
    text = machine.read(CONFIG)
    assert "#flood_lines_per_second = 20.0" in text
    machine.write(CONFIG, text.replace("#flood_lines_per_second = 20.0", "flood_lines_per_second = 0.0", 1))


def provide_an_upgrade(machine: Box) -> None:
    """Have the clone hold a new version."""
    machine.write(f"{CLONE}/threadchat/__init__.py", '"""New."""\n\n__version__ = "9.9.9"\n')
