"""The ``threadchat`` command, as it is typed."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from threadchat import __version__
from threadchat.cli.main import main


def threadchat(*arguments: str) -> Result:
    """Type a command."""
    return CliRunner().invoke(main, list(arguments), prog_name="threadchat")


def test_help_names_the_commands() -> None:
    """What there is to do, and what a status means."""
    assert {"serve", "check"} <= set(threadchat("--help").output.split())
    assert "status 0" in threadchat("serve", "--help").output


def test_version() -> None:
    """One line, for bug reports."""
    assert threadchat("--version").output == f"threadchat, version {__version__}\n"


def test_check_lists_everything_that_is_wrong(tmp_path: Path) -> None:
    """All at once, each with its path, and status 2."""
    path = tmp_path / "bad.toml"
    path.write_text(
        '[tcp.servers.lobby]\naddr = "7007"\nlimts = 1\n'
        "[tcp.servers.lobby.limits]\nmax_conections = 3\nidle_timeout = 3\n"
    )
    result = threadchat("check", str(path))
    assert result.exit_code == 2
    lines = result.output.splitlines()
    assert len(lines) == 4
    assert "threadchat: tcp.servers.lobby.limits.max_conections: unknown key; did you mean max_connections?" in lines
    assert "threadchat: tcp.servers.lobby.limts: unknown key; did you mean limits?" in lines
    assert any(
        line.startswith("threadchat: tcp.servers.lobby.addr: '7007' is no address: write tcp://") for line in lines
    )


def test_check_prints_the_effective_configuration_which_is_one_itself(tmp_path: Path) -> None:
    """Defaults and all; what is printed can be used as a file."""
    path = tmp_path / "short.toml"
    path.write_text('[tcp.servers.lobby]\naddr = "tcp://127.0.0.1:7007"\n')
    printed = threadchat("check", str(path))
    assert printed.exit_code == 0
    assert 'send_timeout = "30s"' in printed.output
    path.write_text(printed.output)
    assert threadchat("check", str(path)).output == printed.output


@pytest.mark.parametrize("content", [None, "not toml", "[tcp]\n", "\xff"])
def test_an_unusable_file_is_one_line_and_status_2(tmp_path: Path, content: str | None) -> None:
    """Missing, not TOML, without servers, not even UTF-8."""
    path = tmp_path / "file.toml"
    if content is not None:
        path.write_text(content, "latin-1")
    for command in (("check", str(path)), ("serve", "--config", str(path))):
        result = threadchat(*command)
        assert result.exit_code == 2
        assert len(result.output.splitlines()) == 1


def test_a_dry_run_says_only_whether_it_would_start(tmp_path: Path) -> None:
    """It needs no address of its own."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = threadchat("serve", "--dry-run", "--listen", f"tcp://127.0.0.1:{taken.getsockname()[1]}")
    assert (result.exit_code, result.output) == (0, "")
    path = tmp_path / "file.toml"
    path.write_text("[tcp.servers.lobby]\nadr = 1\n")
    result = threadchat("serve", "--dry-run", "--config", str(path))
    assert result.exit_code == 2
    assert "tcp.servers.lobby.addr: field required" in result.output


def test_options_that_make_no_sense() -> None:
    """They are refused with status 2 before anything is started."""
    assert threadchat("serve", "--listen", "7007").exit_code == 2
    assert threadchat("serve", "--app", "wroker").exit_code == 2
    assert threadchat("serve", "--config", "x.toml", "--app", "echo").exit_code == 2
