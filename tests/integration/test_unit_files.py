"""The unit files, checked by systemd's own tools, which work without a systemd."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import debian
from tests.box import Box, BoxError

UNITS = Path(__file__).parents[2] / "systemd"


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """Copies of the unit files, with a program that exists."""
    for unit in UNITS.glob("threadchat[.@]*"):
        text = unit.read_text().replace("/opt/threadchat/bin/threadchat", sys.executable)
        (tmp_path / unit.name).write_text(text)
    return tmp_path


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [debian.require("systemd-analyze"), *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def exposed_over(tenths: int, unit: Path) -> bool:
    """Whether *unit*'s exposure is over *tenths* of a point of ten."""
    return analyze("security", "--offline=true", f"--threshold={tenths}", unit).returncode != 0


def test_systemd_finds_nothing_to_complain_about(units: Path) -> None:
    """Not a word: systemd 252 exits with 0 on unknown keys and unknown service types."""
    drop_ins = units / "threadchat@ops.socket.d"
    drop_ins.mkdir()
    (drop_ins / "override.conf").write_text("[Socket]\nListenStream=7008\n")
    (units / "threadchat@ops.socket").symlink_to("threadchat@.socket")
    names = ("threadchat.service", "threadchat.socket", "threadchat@ops.socket")
    verified = analyze("verify", *[units / name for name in names])

    assert verified.stderr == ""
    assert verified.returncode == 0


def test_a_misspelt_key_would_be_found(units: Path) -> None:
    with (units / "threadchat.service").open("a") as service:
        service.write("[Service]\nWatchdogSecs=3\n")

    assert "WatchdogSecs" in analyze("verify", units / "threadchat.service").stderr


def test_the_service_is_hardly_exposed(units: Path) -> None:
    assert not exposed_over(2, units / "threadchat.service")
    assert exposed_over(1, units / "threadchat.service")


def test_opening_the_network_costs_no_more_than_the_drop_in_says(units: Path) -> None:
    drop_ins = units / "threadchat.service.d"
    drop_ins.mkdir()
    shutil.copy(UNITS / "network.conf", drop_ins)

    assert not exposed_over(9, units / "threadchat.service")
    assert exposed_over(8, units / "threadchat.service")
    assert analyze("verify", units / "threadchat.service").stderr == ""


def test_a_running_systemd_agrees(box: Box) -> None:
    """What it says online may differ from what it says of a file."""
    for unit in ("threadchat.service", "threadchat.socket"):
        box.copy(UNITS / unit, f"/etc/systemd/system/{unit}")
    box.systemctl("daemon-reload")

    box.run("systemd-analyze", "security", "--threshold=2", "threadchat.service")
    with pytest.raises(BoxError):
        box.run("systemd-analyze", "security", "--threshold=1", "threadchat.service")
