"""The ``threadchat`` command: serve, check, and the commands of workers.py."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterable, Mapping
from itertools import combinations
from pathlib import Path
from typing import NoReturn

import click

from threadchat import __version__
from threadchat.base.addresses import clash, parse_address
from threadchat.base.errors import ConfigError, ListenError, RpcError, WorkerError
from threadchat.cli.review import find_clashes, find_groups, find_history, find_worker, try_addresses
from threadchat.cli.workers import workers
from threadchat.config import loading, rr_yaml
from threadchat.config.loading import Loaded, dump, parse
from threadchat.config.source import NOWHERE
from threadchat.process.lifecycle import REHEARSAL

EXIT_FAILED = 1  # it could not be done: an address in use, say
EXIT_USAGE = 2  # the request makes no sense: wrong options, a wrong configuration

#: The option that says where history is kept.
_STATE = ("history", "state")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="threadchat")
def main() -> None:
    """A chat room that anything can talk to: telnet, nc, a ten-line script, threadchat-client."""


class _Number(click.IntRange):
    name = "number"  # click would say "is not a valid integer range"


def _check_addresses(context: click.Context, parameter: click.Parameter, addresses: tuple[str, ...]) -> tuple[str, ...]:
    try:
        parsed = [parse_address(text) for text in addresses]
    except ValueError as problem:
        raise click.BadParameter(str(problem)) from None
    for one, other in combinations(parsed, 2):
        if clash(one, other):
            what = f"{one} is there twice" if one == other else f"{other} and {one} are in each other's way"
            raise click.BadParameter(what)
    return addresses


@main.command(short_help="Run the daemon.")
@click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path),
    help="Read the configuration from this file: TOML, or an .rr.yaml.",
)
@click.option(
    "--listen",
    "addresses",
    multiple=True,
    metavar="ADDR",
    callback=_check_addresses,
    help="tcp://HOST:PORT, tcp://[::1]:PORT or unix:///PATH; port 0 picks one. May be repeated.",
)
@click.option(
    "--app",
    type=click.Choice(["chat", "echo", "broadcast", "worker"]),
    help="What to serve there. A worker needs a command to start: write a file, and use --config. [chat]",
)
@click.option("--max-connections", type=_Number(min=1), help="How many connections there may be at once. [10000]")
@click.option(
    "--when-full",
    type=click.Choice(["refuse", "wait"]),
    help="What happens to one connection more: it is told and closed, or it waits for a place. [refuse]",
)
@click.option(
    "--state",
    type=click.Path(),
    metavar="DIR",
    help="Keep what is said in this directory, which is made if need be. [in memory, gone with the daemon]",
)
@click.option("--debug", is_flag=True, help="Log more.")
@click.option(
    "--dry-run",
    is_flag=True,
    help="Serve nothing. Say whether it would start: try the options, the addresses and the workers' program.",
)
@click.pass_context
def serve(
    context: click.Context,
    path: Path | None,
    addresses: tuple[str, ...],
    app: str | None,
    max_connections: int | None,
    when_full: str | None,
    state: str | None,
    debug: bool,
    dry_run: bool,
) -> None:
    """
    Run the daemon. Without options, that is the chat room on tcp://127.0.0.1:7007.

    An address that cannot be had is logged as an error, and the others are served.

    The exit status is 0 after SIGTERM or SIGINT; 1 if no address can be had, or a worker
    does not start; 2 if the options or the configuration are wrong. With --dry-run
    it is 1 if anything would not work.
    """
    # Imported here so that `check` and `--help` need not load the server.
    from threadchat.base.log import set_up_log  # noqa: PLC0415
    from threadchat.daemon import Daemon  # noqa: PLC0415
    from threadchat.process.lifecycle import run  # noqa: PLC0415

    chosen = {
        "--listen": addresses,
        "--app": app,
        "--max-connections": max_connections,
        "--when-full": when_full,
        "--state": state,
    }
    given = [option for option, value in chosen.items() if value]
    if path and given:
        raise click.UsageError(f"{' and '.join(given)}: not together with --config, write it into that file")
    if app == "worker":
        raise click.UsageError("--app worker: write a file that says what to start, and use --config FILE")
    limits = {"max_connections": max_connections, "when_full": when_full}
    try:
        loaded = _load(path) if path else _from_options(addresses, app or "chat", limits, state or "")
        if dry_run:
            _dry_run(loaded)
            return
        log = set_up_log(debug)
        if loaded.ignored:
            log.info("config_ignored", ignored=loaded.ignored)
        sys.exit(run(Daemon, loaded.config, log, (lambda: _load(path).config) if path else None))
    except ConfigError as problem:
        _fail(problem.problems, EXIT_USAGE)
    except (ListenError, WorkerError, RpcError) as problem:
        _fail(str(problem).splitlines(), EXIT_FAILED)


@main.command(short_help="Check a configuration file.")
@click.option("--print", "printed", is_flag=True, help="Print what it amounts to: all options, with their values.")
@click.argument("path", type=click.Path(path_type=Path), metavar="FILE")
def check(path: Path, printed: bool) -> None:
    """
    Check a configuration FILE, and say all that is wrong with it, or that all is well.

    The machine is looked at, too: is the workers' program there, and what would be done with
    the history? Addresses are not tried: `threadchat serve --config FILE --dry-run` does that.

    The exit status is 2 if anything is wrong.
    """
    try:
        loaded = _load(path)
    except ConfigError as problem:
        _fail(problem.problems, EXIT_USAGE)
    config = loaded.config
    history = find_history(config, os.environ)
    refusals = [(_STATE, finding.sentence) for finding in history if finding.is_refusal]
    if problems := [*find_clashes(config), *find_worker(config), *find_groups(config), *refusals]:
        _fail([loaded.source.say(*problem) for problem in problems], EXIT_USAGE)
    for finding in history:
        click.echo(f"history: {finding.sentence}", err=printed)
    if loaded.ignored:
        click.echo(f"threadchat: not used here: {', '.join(loaded.ignored)}", err=True)
    click.echo(f"{path}: all is well", err=printed)  # then standard output can be used as a file
    if printed:
        click.echo(dump(config), nl=False)


main.add_command(workers)


def _load(path: Path) -> Loaded:
    """Read a TOML file, or RoadRunner's YAML."""
    return rr_yaml.load(path) if path.suffix in (".yaml", ".yml") else loading.load(path)


def _from_options(addresses: tuple[str, ...], app: str, limits: Mapping[str, object], state: str) -> Loaded:
    addr = list(addresses) or ["tcp://127.0.0.1:7007"]
    name = "lobby" if app == "chat" else app
    given = {key: value for key, value in limits.items() if value is not None}
    servers = {name: {"addr": addr, "app": app, "limits": given}}
    return Loaded(parse({"history": {"state": state}, "tcp": {"servers": servers}}), NOWHERE, [])


def _dry_run(loaded: Loaded) -> None:
    """Say what would be served. If anything would not work, say that, too, and end with status 1."""
    config, source = loaded.config, loaded.source
    served: list[str] = []
    problems = list(find_worker(config))
    if config.tcp.needs_pool and not problems:
        served.append(f"workers: {shlex.join(config.tcp.pool.command or config.server.command)}")
    rehearsing = REHEARSAL in os.environ
    for finding in find_history(config, os.environ):
        if finding.is_refusal or (finding.is_in_use and not rehearsing):
            problems.append((_STATE, finding.sentence))
        else:
            served.append(f"history: {finding.sentence}")
    if not rehearsing:  # in a rehearsal, the daemon that asks has the addresses, and will hand them over
        listening, refused = try_addresses(config)
        served += listening
        problems += refused
        problems += find_clashes(config)
    for line in served:
        click.echo(f"would start: {line}")
    if problems:
        told = [sentence if source is NOWHERE else source.say(path, sentence) for path, sentence in problems]
        _fail([f"would not start: {problem}" for problem in told], EXIT_FAILED)


def _fail(problems: Iterable[str], status: int) -> NoReturn:
    for line in problems:
        click.echo(f"threadchat: {line}", err=True)
    sys.exit(status)
