"""The ``threadchat`` command, as it is typed."""

from __future__ import annotations

import contextlib
import socket
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from threadchat import __version__
from threadchat.cli.main import main
from threadchat.history import schema
from threadchat.history.directory import Directory
from threadchat.process.lifecycle import REHEARSAL

LOBBY = '[tcp.servers.lobby]\naddr = "tcp://127.0.0.1:7007"\n'


def threadchat(*arguments: str) -> Result:
    """Type a command."""
    return CliRunner().invoke(main, list(arguments), prog_name="threadchat")


def test_help_names_the_commands() -> None:
    """What there is to do, and what a status means."""
    said = threadchat("--help").output
    assert {"serve", "check", "workers"} <= set(said.split())
    assert "..." not in said.partition("Commands:")[2]  # no summary is cut
    assert "exit status is 0" in threadchat("serve", "--help").output


def test_version() -> None:
    """One line, for bug reports."""
    assert threadchat("--version").output == f"threadchat, version {__version__}\n"


def test_check_lists_everything_that_is_wrong(tmp_path: Path) -> None:
    """All at once, each with file, line and path, and status 2."""
    path = tmp_path / "bad.toml"
    path.write_text(
        '[tcp.servers.lobby]\naddr = "7007"\nlimts = 1\n'
        "[tcp.servers.lobby.limits]\nmax_conections = 3\nidle_timeout = 3\n"
    )
    result = threadchat("check", str(path))
    assert result.exit_code == 2
    lines = result.output.splitlines()
    assert len(lines) == 4
    place = f"threadchat: {path}"
    assert f"{place}:5: tcp.servers.lobby.limits.max_conections: unknown key; did you mean max_connections?" in lines
    assert f"{place}:3: tcp.servers.lobby.limts: unknown key; did you mean limits?" in lines
    assert any(
        line.startswith(f"{place}:2: tcp.servers.lobby.addr: '7007' is no address: write tcp://") for line in lines
    )


def test_check_says_that_all_is_well(tmp_path: Path) -> None:
    """One line. What means nothing here, in a file of RoadRunner's, is named as well."""
    path = tmp_path / "short.toml"
    path.write_text(LOBBY)
    result = threadchat("check", str(path))
    assert (result.exit_code, result.output) == (0, f"{path}: all is well\n")
    path = tmp_path / ".rr.yaml"
    path.write_text("http: {}\nserver: {command: python}\ntcp: {servers: {a: {addr: ':1025'}}}\n")
    result = threadchat("check", str(path))
    assert result.exit_code == 0
    assert (result.stdout, result.stderr) == (f"{path}: all is well\n", "threadchat: not used here: http\n")


def test_check_prints_the_effective_configuration_which_is_one_itself(tmp_path: Path) -> None:
    """With all defaults. What is printed can be used as a file."""
    path = tmp_path / "short.toml"
    path.write_text(LOBBY)
    printed = threadchat("check", "--print", str(path))
    assert printed.exit_code == 0
    assert printed.stderr == f"{path}: all is well\n"
    assert 'send_timeout = "30s"' in printed.stdout
    assert "[tcp.pool]" not in printed.stdout  # there are no workers
    path.write_text(printed.stdout)
    assert threadchat("check", "--print", str(path)).stdout == printed.stdout


def test_check_looks_at_the_machine_too(tmp_path: Path) -> None:
    """What is written well may still not work, and each is told with its line."""
    path = tmp_path / "two.toml"
    path.write_text(
        'server.command = "nothing worker.py"\n[tcp.servers.a]\naddr = "tcp://127.0.0.1:7007"\n'
        '[tcp.servers.b]\naddr = [\n"tcp://127.0.0.1:7007", "unix:///run/b.sock",\n]\nsocket_group = "no-such-group"\n'
    )
    result = threadchat("check", str(path))
    assert result.exit_code == 2
    assert result.output.splitlines() == [
        f"threadchat: {path}:5: tcp.servers.b.addr: tcp://127.0.0.1:7007 is the address of a, too",
        f"threadchat: {path}:1: server.command: there is no program nothing: install it, or write its whole path",
        f"threadchat: {path}:8: tcp.servers.b.socket_group: there is no group no-such-group on this machine",
    ]


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


def test_a_dry_run_tries_what_it_can(tmp_path: Path) -> None:
    """It says what would be served. An address that is taken, or a program that is not there, is status 1."""
    path = tmp_path / "file.toml"
    path.write_text(f'[tcp.servers.lobby]\naddr = ["unix://{tmp_path}/s", "tcp://127.0.0.1:0"]\n')
    result = threadchat("serve", "--dry-run", "--config", str(path))
    assert result.exit_code == 0
    assert result.output.splitlines() == [
        f"would start: lobby (chat) on unix://{tmp_path}/s",
        "would start: lobby (chat) on tcp://127.0.0.1:0",
    ]
    assert not (tmp_path / "s").exists()
    path.write_text('server.command = "python -c 1"\n[tcp.servers.smtp]\naddr = "tcp://127.0.0.1:0"\n')
    result = threadchat("serve", "--dry-run", "--config", str(path))
    assert (result.exit_code, result.output.splitlines()[0]) == (0, "would start: workers: python -c 1")
    path.write_text('server.command = "no-such-program"\n[tcp.servers.smtp]\naddr = "tcp://127.0.0.1:0"\n')
    result = threadchat("serve", "--dry-run", "--config", str(path))
    assert result.exit_code == 1
    assert f"would not start: {path}:1: server.command: there is no program no-such-program" in result.stderr


def test_a_dry_run_finds_an_address_that_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """But for the daemon that rehearses its own replacement: it is the one that has it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        command = "serve", "--dry-run", "--listen", f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        refused = threadchat(*command)
        monkeypatch.setenv(REHEARSAL, "1")
        rehearsed = threadchat(*command)
    assert refused.exit_code == 1
    assert refused.output.startswith(f"threadchat: would not start: cannot listen on {command[-1]}: another program")
    assert (rehearsed.exit_code, rehearsed.output) == (0, "")


class TestHistory:
    """What would be done with it, before it is done."""

    def test_check_says_what_would_be_found(self, tmp_path: Path) -> None:
        """Nothing is made. What is printed can still be used as a file."""
        path, state = tmp_path / "file.toml", tmp_path / "state"
        path.write_text(f'{LOBBY}[history]\nstate = "{state}"\n')
        result = threadchat("check", str(path))
        assert (result.exit_code, result.stdout.splitlines()) == (
            0,
            [f"history: {state} does not exist: it would be made", f"{path}: all is well"],
        )
        assert not state.exists()
        assert "history:" not in threadchat("check", "--print", str(path)).stdout

    def test_check_refuses_what_a_start_would_refuse(self, tmp_path: Path) -> None:
        """With the line where it stands."""
        path, state = tmp_path / "file.toml", tmp_path / "state"
        path.write_text(f'{LOBBY}[history]\nstate = "{state}"\n')
        state.mkdir()
        (state / "history.db").write_bytes(newer_database())
        result = threadchat("check", str(path))
        assert result.exit_code == 2
        assert f"{path}:4: history.state: {state}/history.db would be refused: a newer threadchat" in result.stderr

    def test_a_dry_run_refuses_a_directory_in_use(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """But for the daemon that rehearses its own replacement: it is the one that uses it."""
        command = "serve", "--dry-run", "--listen", "tcp://127.0.0.1:0", "--state", str(tmp_path / "state")
        assert threadchat(*command).exit_code == 0
        used = Directory(tmp_path / "state")
        refused = threadchat(*command)
        assert refused.exit_code == 1
        assert "is in use by a running threadchat" in refused.stderr
        monkeypatch.setenv(REHEARSAL, "1")
        assert threadchat(*command).exit_code == 0
        used.close()


def newer_database() -> bytes:
    """Return a database that a newer version has written."""
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        schema.migrate(database)
        database.execute("PRAGMA user_version = 99")
        return database.serialize()


def test_a_dry_run_refuses_what_makes_no_sense(tmp_path: Path) -> None:
    """With status 2, as a start would."""
    path = tmp_path / "file.toml"
    path.write_text("[tcp.servers.lobby]\nadr = 1\n")
    result = threadchat("serve", "--dry-run", "--config", str(path))
    assert result.exit_code == 2
    assert "tcp.servers.lobby.addr: field required" in result.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--listen", "7007"], "Invalid value for '--listen': '7007' is no address: write tcp://127.0.0.1:7007"),
        (["--listen", "unix://a", "--listen", "unix://a"], "Invalid value for '--listen': unix://a is there twice"),
        (["--listen", "tcp://:7", "--listen", "tcp://127.0.0.1:7"], "tcp://127.0.0.1:7 and tcp://:7 are in each other"),
        (["--app", "wroker"], "'wroker' is not one of 'chat', 'echo', 'broadcast', 'worker'"),
        (["--app", "worker"], "--app worker: write a file that says what to start, and use --config FILE"),
        (
            ["--config", "x", "--app", "echo", "--max-connections", "3"],
            "--app and --max-connections: not together with",
        ),
        (["--config", "x", "--state", "y"], "--state: not together with --config, write it into that file"),
        (["--max-connections", "many"], "'many' is not a valid number"),
    ],
)
def test_options_that_make_no_sense(options: list[str], message: str) -> None:
    """They are refused with status 2 before anything is started, and named as they were written."""
    result = threadchat("serve", *options)
    assert result.exit_code == 2
    assert message in result.output


def test_port_0_may_be_asked_for_twice() -> None:
    """Each time it is another one."""
    assert threadchat("serve", "--dry-run", *["--listen", "tcp://127.0.0.1:0"] * 2).exit_code == 0
