"""What this machine has to say about a configuration."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from threadchat.cli.review import find_clashes, find_groups, find_history, find_worker, try_addresses
from threadchat.config.loading import parse
from threadchat.config.sections import Config


def with_workers(command: list[str], **server: Any) -> Config:
    servers = {"smtp": {"addr": "tcp://127.0.0.1:0"}}
    return parse({"server": {"command": command, **server}, "tcp": {"servers": servers}})


def listening_on(*addresses: str, **options: str) -> Config:
    """Return a configuration of one server for each address."""
    return parse({"tcp": {"servers": {f"s{n}": {"addr": addr, **options} for n, addr in enumerate(addresses)}}})


def test_a_workers_program_that_is_there(tmp_path: Path) -> None:
    """Also where only a worker's own PATH leads to it; and python always is."""
    program = tmp_path / "worker"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for config in (
        with_workers([str(program)]),
        with_workers(["worker"], env={"PATH": str(tmp_path)}),
        with_workers(["python", "-m", "worker"], env={"PATH": "/nowhere"}),
        parse({"tcp": {"servers": {"lobby": {"addr": "tcp://:7007"}}}}),
    ):
        assert list(find_worker(config)) == []


def test_a_workers_program_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or its script, which a relative path looks for where the daemon is started."""
    monkeypatch.chdir(tmp_path)
    ((path, problem),) = find_worker(with_workers(["python", "worker.py"]))
    assert path == ("server", "command")
    assert problem == f"there is no file worker.py in {tmp_path}: write its whole path"
    (tmp_path / "worker.py").touch()
    assert list(find_worker(with_workers(["python", "worker.py"]))) == []
    ((_, problem),) = find_worker(with_workers(["php", "worker.py"], env={"PATH": "/nowhere"}))
    assert problem == "there is no program php: install it, or write its whole path"


@pytest.mark.parametrize(
    ("addresses", "problem"),
    [
        (["tcp://127.0.0.1:7", "tcp://127.0.0.1:7"], "tcp://127.0.0.1:7 is the address of s0, too"),
        (["tcp://127.0.0.1:7", "tcp://:7"], "tcp://:7 and tcp://127.0.0.1:7 (s0) cannot both be had: one includes"),
        (["tcp://127.0.0.1:7", "tcp://127.0.0.1:8"], ""),
        (["tcp://127.0.0.1:0", "tcp://127.0.0.1:0"], ""),
    ],
)
def test_two_servers_on_one_address(addresses: list[str], problem: str) -> None:
    told = list(find_clashes(listening_on(*addresses)))
    assert [(path, sentence.startswith(problem)) for path, sentence in told] == (
        [(("tcp", "servers", "s1", "addr"), True)] if problem else []
    )


def test_one_server_twice_on_one_address() -> None:
    config = parse({"tcp": {"servers": {"lobby": {"addr": ["unix://a", "unix://a"]}}}})
    assert [sentence for _, sentence in find_clashes(config)] == ["unix://a is there twice"]


def test_a_group_that_is_not_there() -> None:
    """A number need not have a name."""
    config = listening_on("unix://a", socket_group="no-such-group")
    assert list(find_groups(config)) == [
        (("tcp", "servers", "s0", "socket_group"), "there is no group no-such-group on this machine")
    ]
    for group in ("", "root", "54321"):
        assert list(find_groups(listening_on("unix://a", socket_group=group))) == []


def test_addresses_are_tried_and_let_go_again(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = listening_on(f"unix://{tmp_path}/socket", f"tcp://127.0.0.1:{port}")
        served, problems = try_addresses(config)
    assert served == [f"s0 (chat) on unix://{tmp_path}/socket"]
    ((path, problem),) = problems
    assert path == ("tcp", "servers", "s1", "addr")
    assert problem.startswith(f"cannot listen on tcp://127.0.0.1:{port}: another program")
    assert list(tmp_path.iterdir()) == []


def test_where_history_is_kept_is_looked_at(tmp_path: Path) -> None:
    """The configuration's directory, or systemd's; in memory there is nothing to find."""
    servers = {"lobby": {"addr": "tcp://:7007"}}
    configured = parse({"history": {"state": str(tmp_path / "a")}, "tcp": {"servers": servers}})
    systemds = {"STATE_DIRECTORY": str(tmp_path / "b")}
    for config, environ, name in ((configured, systemds, "a"), (parse({"tcp": {"servers": servers}}), systemds, "b")):
        (found,) = find_history(config, environ)
        assert found.sentence == f"{tmp_path / name} does not exist: it would be made"
        assert not found.is_refusal
    assert find_history(parse({"tcp": {"servers": servers}}), {}) == []
