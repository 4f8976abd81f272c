"""docs/workers.md, followed as it is written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import debian
from tests.conftest import Serve
from tests.integration.conftest import ROOT
from tests.running import Running
from tests.waiting import DEADLINE
from threadchat.config.sections import Pool, Rpc, Section, Spawn, Supervisor

DOCUMENT = (ROOT / "docs/workers.md").read_text()


def block(language: str, containing: str = "") -> str:
    """Return the one block of *language* that contains this text."""
    (found,) = [text for text in re.findall(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL) if containing in text]
    return str(found)


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with the files of the document, on ports that are free; we are in it, with the commands on PATH."""
    directory = tmp_path / "mine"
    directory.mkdir()
    (directory / "worker.py").write_text(block("python"))
    for name, text in (("workers.toml", block("toml")), (".rr.yaml", block("yaml"))):
        (directory / name).write_text(re.sub(r"(?<=127\.0\.0\.1:)\d+", "0", text))
    monkeypatch.chdir(directory)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    return directory


def typed(commands: str) -> list[str]:
    """Type each line of *commands*, which have to end well, and return what they say."""
    said = []
    for command in commands.splitlines():
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=DEADLINE, check=False)
        assert done.returncode == 0, (command, done.stderr)
        said.append(done.stdout.strip())
    return said


def echoes(daemon: Running) -> None:
    """Have the conversation that the document shows."""
    (port,) = [event["address"].rpartition(":")[2] for event in daemon.logs("listening") if event["server"] == "smtp"]
    client = daemon.connect_to(("127.0.0.1", int(port)))
    shown = re.search(r"```\n(220.*?)```", DOCUMENT, re.DOTALL)
    assert shown
    greeting, *lines = shown[1].splitlines()
    assert client.line() == f"{greeting}\r"
    for said, answered in zip(lines[::2], lines[1::2], strict=True):
        client.says(f"{said}\r")
        assert client.line() == f"{answered}\r"
    assert client.rest() == b""


@pytest.mark.parametrize("config", ["workers.toml", ".rr.yaml"])
def test_the_first_worker(config: str, directory: Path, serve: Serve) -> None:
    """Checked, started and talked to; then looked at and changed while it runs."""
    check, start = block("sh", f"--config {config}").splitlines()
    assert typed(check) == [f"{config}: all is well"]
    assert start.startswith("threadchat serve ")
    daemon = serve(*start.split()[2:])
    echoes(daemon)
    listed, *said = typed(block("sh", "workers list"))
    assert listed.count("worker.py") == 2
    assert said == ["2 workers replaced", "1 worker added", "1 worker removed"]
    echoes(daemon)


def test_the_worker_in_php_is_php(tmp_path: Path) -> None:
    """The library is not here, so this is all that can be said of it; tests/workers/worker.php speaks its protocol."""
    php = debian.require("php")
    (tmp_path / "worker.php").write_text(block("php"))
    subprocess.run([php, "-l", str(tmp_path / "worker.php")], check=True, capture_output=True)


def test_every_option_for_workers_is_in_the_table() -> None:
    """With its name as it is written."""
    sections: dict[str, type[Section]] = {
        "server": Spawn,
        "rpc": Rpc,
        "tcp.pool": Pool,
        "tcp.pool.supervisor": Supervisor,
    }
    names = {f"{path}.{name}" for path, section in sections.items() for name in section.model_fields}
    assert {name for name in names if f"`{name}`" not in DOCUMENT} == {"tcp.pool.supervisor"}
