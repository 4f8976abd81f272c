from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from threadchat import __version__
from threadchat.client.cli import main
from threadchat.client.ending import ExitCode


def test_help_lists_every_exit_code() -> None:
    result = CliRunner().invoke(main, ["--help"])

    assert result.exit_code == 0
    listed = {int(number) for number in re.findall(r"^ +(\d+)  ", result.output, re.MULTILINE)}
    assert listed == {int(code) for code in ExitCode}


def test_the_document_lists_every_exit_code_and_every_option() -> None:
    document = (Path(__file__).parents[2] / "docs/client.md").read_text()
    listed = {int(number) for number in re.findall(r"^\| (\d+) \|", document, re.MULTILINE)}
    options = re.findall(r"--[a-z-]+", CliRunner().invoke(main, ["--help"]).output)

    assert listed == {int(code) for code in ExitCode}
    assert [option for option in options if option not in document] == ["--version"]


def test_help_names_the_defaults() -> None:
    help_text = CliRunner().invoke(main, ["-h"]).output

    assert "localhost" in help_text
    assert "7007" in help_text


def test_version_is_the_packages() -> None:
    assert __version__ in CliRunner().invoke(main, ["--version"]).output


def test_the_screen_library_is_loaded_for_a_screen_only() -> None:
    """A pipe does not wait for what it does not need."""
    check = "import sys, threadchat.client.cli; sys.exit('prompt_toolkit' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
