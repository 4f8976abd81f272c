"""Man pages, as their readers and man's own checker see them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tests import debian
from threadchat import __version__
from threadchat.cli.manual import PAGES, page, write_pages


def rendered(path: Path) -> str:
    """Return the text of a page, each run of spaces as one."""
    command = [debian.require("mandoc"), "-T", "utf8", "-O", "width=1000", str(path)]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return " ".join(re.sub(".\b", "", shown).split())  # bold is a letter twice


def commands(command: click.Command) -> Iterator[click.Command]:
    yield command
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            yield from commands(inner)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    write_pages(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", PAGES)
def test_a_page_says_what_help_says(directory: Path, name: str) -> None:
    """Every option with its help, and every paragraph."""
    text = rendered(directory / f"{name}.1")
    for command in commands(PAGES[name]):
        options = [option for option in command.params if isinstance(option, click.Option)]
        assert [option.help for option in options if " ".join((option.help or "").split()) not in text] == []
        assert [option.opts for option in options if option.opts[-1] not in text] == []
        paragraphs = "" if isinstance(command, click.Group) and command is not PAGES[name] else command.help or ""
        for paragraph in (paragraphs + "\n\n" + (command.epilog or "")).split("\n\n"):
            assert " ".join(paragraph.replace("\b", "").split()) in text
    assert f"threadchat {__version__}" in text


@pytest.mark.parametrize("name", PAGES)
def test_mans_checker_finds_nothing_wrong(directory: Path, name: str) -> None:
    command = [debian.require("mandoc"), "-T", "lint", "-W", "warning", str(directory / f"{name}.1")]
    checked = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (checked.returncode, checked.stdout) == (0, "")


def test_lines_are_not_taken_for_markup(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whatever is written in a help text is what is read."""
    help_text = "Say it.\n\n.SH is no section, '.SH' neither.\n'quoted' \\fBbold\\fR --dashes ~/^x`y`"
    monkeypatch.setitem(PAGES, "say", click.Command("say", help=help_text))
    (tmp_path / "say.1").write_text(page("say", "2026-01-01"))
    text = rendered(tmp_path / "say.1")
    assert ".SH is no section, '.SH' neither. 'quoted' \\fBbold\\fR --dashes ~/^x`y`" in text


def test_a_build_may_fix_the_date(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """So that a package can be built twice alike."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    write_pages(tmp_path)
    assert (tmp_path / "threadchat.1").read_text().startswith(".TH THREADCHAT 1 1970-01-02 ")
