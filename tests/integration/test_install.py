"""``make install`` and ``make uninstall``, into a directory that plays the machine's root."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.integration.conftest import ROOT, make
from threadchat import __version__
from threadchat.config.loading import parse
from threadchat.config.sections import Config


def files(stage: Path) -> set[str]:
    """What is in *stage*, without the inside of the venv."""
    found = (path.relative_to(stage).as_posix() for path in stage.rglob("*") if not path.is_dir())
    return {path for path in found if not path.startswith("opt/threadchat/")}


def test_everything_is_put_in_place(stage: Path) -> None:
    said = subprocess.run(
        [stage / "opt/threadchat/bin/python", "-I", "-m", "threadchat", "--version"],
        check=True,
        capture_output=True,
        text=True,
        cwd=stage,
    )

    assert __version__ in said.stdout
    assert files(stage) == {
        "etc/systemd/system/threadchat.service",
        "etc/systemd/system/threadchat.socket",
        "etc/systemd/system/threadchat@.socket",
        "etc/threadchat/threadchat.toml",
        "usr/local/bin/threadchat",
        "usr/local/bin/threadchat-client",
        "usr/local/share/man/man1/threadchat.1",
        "usr/local/share/man/man1/threadchat-client.1",
    }


def test_the_commands_are_on_the_path(stage: Path) -> None:
    for command in ("threadchat", "threadchat-client"):
        link = (stage / "usr/local/bin" / command).readlink()
        assert link == Path("/opt/threadchat/bin") / command
        assert (stage / link.relative_to("/")).exists()


@pytest.mark.usefixtures("stage")
def test_the_checkout_is_left_as_it_was(checkout: Path) -> None:
    """Setuptools would leave files in it, root's after ``sudo make install``."""
    tracked = {path.relative_to(ROOT).parts[0] for path in ROOT.iterdir() if not path.name.startswith(".")}
    made = {"build", *(path.name for path in ROOT.glob("*.egg-info"))}
    assert {path.name for path in checkout.iterdir()} == tracked - made


def test_nothing_names_the_place_it_was_made_in(stage: Path) -> None:
    """Packagers build in one place for another; the unit's program must find its interpreter."""
    program = stage / "opt/threadchat/bin/threadchat"
    assert program.read_text().startswith("#!/opt/threadchat/bin/python")
    named = [path for path in stage.rglob("*") if path.is_file() and bytes(stage) in path.read_bytes()]
    assert named == []


def test_installing_again_keeps_the_administrators_configuration(stage: Path) -> None:
    """The same command upgrades."""
    config = stage / "etc/threadchat/threadchat.toml"
    shipped = config.read_text()
    config.write_text("# mine\n" + shipped)
    make("install", stage)

    assert config.read_text() == "# mine\n" + shipped


def test_uninstalling_leaves_only_the_configuration(stage: Path, tmp_path: Path) -> None:
    """And what somebody else has put in the place of a command."""
    stage = shutil.copytree(stage, tmp_path / "stage", symlinks=True)
    (stage / "usr/local/bin/threadchat-client").unlink()
    (stage / "usr/local/bin/threadchat-client").symlink_to("/somebody/elses")
    make("uninstall", stage)

    assert files(stage) == {"etc/threadchat/threadchat.toml", "usr/local/bin/threadchat-client"}
    assert not (stage / "opt/threadchat").exists()


def test_the_shipped_configuration_shows_every_option_with_its_default() -> None:
    """As it is, and with every option uncommented, it is the default configuration."""
    text = (ROOT / "systemd/threadchat.toml").read_text()
    options, count = re.subn(r"^#(?=\w+ = )", "", text, flags=re.MULTILINE)
    data = tomllib.loads(options)
    dumped = Config().model_dump()

    assert count > 10
    assert parse(tomllib.loads(text)) == Config()
    assert parse(data) == Config()
    assert data == dumped
