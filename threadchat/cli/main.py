"""The ``threadchat`` command: serve, check, and what cli_workers.py adds."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import click

from threadchat import __version__
from threadchat.base.errors import ConfigError, ListenError, RpcError, WorkerError
from threadchat.cli.workers import workers
from threadchat.config import rr_yaml
from threadchat.config.loading import dump, load, parse
from threadchat.config.sections import Config

EXIT_FAILED = 1  # it could not be done: an address in use, say
EXIT_USAGE = 2  # what was asked for makes no sense: wrong options, a wrong configuration


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="threadchat")
def main() -> None:
    """A chat room that anything can talk to: telnet, nc, a ten-line script, threadchat-client."""


@main.command()
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
    help="tcp://HOST:PORT, tcp://[::1]:PORT or unix:///PATH; port 0 picks one. May be repeated.",
)
@click.option("--app", type=click.Choice(["chat", "echo", "broadcast"]), help="What to serve there. [chat]")
@click.option("--max-connections", type=click.IntRange(min=1), help="Connections at one time. [10000]")
@click.option(
    "--when-full",
    type=click.Choice(["refuse", "wait"]),
    help="Tell the next one so, or let it wait until one leaves. [refuse]",
)
@click.option("--debug", is_flag=True, help="Log more.")
@click.option("--dry-run", is_flag=True, help="Load the program and the configuration, serve nothing: would it start?")
def serve(
    path: Path | None,
    addresses: tuple[str, ...],
    app: str | None,
    max_connections: int | None,
    when_full: str | None,
    debug: bool,
    dry_run: bool,
) -> None:
    """
    Run the daemon: without options, the chat room on tcp://127.0.0.1:7007.

    Ends with status 0 on SIGTERM or SIGINT, 1 if an address cannot be listened on
    or a worker does not start, 2 if the options or the
    configuration are wrong.
    """
    # Imported here so that `check` and `--help` need not load the server.
    from threadchat.base.log import set_up_log  # noqa: PLC0415
    from threadchat.daemon import Daemon  # noqa: PLC0415
    from threadchat.process.lifecycle import run  # noqa: PLC0415

    limits = {"max_connections": max_connections, "when_full": when_full}
    chosen = {key: value for key, value in limits.items() if value is not None}
    if path and (addresses or app or chosen):
        raise click.UsageError("--config says it all: it does not go with the other options")
    try:
        config, ignored = _load(path) if path else (_from_options(addresses, app or "chat", chosen), [])
        if dry_run:
            return
        log = set_up_log(debug)
        if ignored:
            log.info("config_ignored", ignored=ignored)
        sys.exit(run(Daemon, config, log, (lambda: _load(path)[0]) if path else None))
    except ConfigError as problem:
        _fail(problem, EXIT_USAGE)
    except (ListenError, WorkerError, RpcError) as problem:
        _fail(problem, EXIT_FAILED)


@main.command()
@click.argument("path", type=click.Path(path_type=Path), metavar="FILE")
def check(path: Path) -> None:
    """
    Check a configuration FILE: print all that is wrong with it, or what it amounts to.

    Exits with 2 if anything is wrong.
    """
    try:
        config, ignored = _load(path)
        click.echo(dump(config), nl=False)
        if ignored:
            click.echo(f"threadchat: not used here: {', '.join(ignored)}", err=True)
    except ConfigError as problem:
        _fail(problem, EXIT_USAGE)


main.add_command(workers)


def _load(path: Path) -> tuple[Config, list[str]]:
    """Read a TOML file, or RoadRunner's YAML; return what it says, and what of it means nothing to us."""
    if path.suffix in (".yaml", ".yml"):
        tables, ignored = rr_yaml.read(path)
        return parse(tables), ignored
    return load(path), []


def _from_options(addresses: tuple[str, ...], app: str, limits: Mapping[str, object]) -> Config:
    addr = list(addresses) or ["tcp://127.0.0.1:7007"]
    name = "lobby" if app == "chat" else app
    return parse({"tcp": {"servers": {name: {"addr": addr, "app": app, "limits": limits}}}})


def _fail(problem: Exception, status: int) -> None:
    for line in str(problem).splitlines():
        click.echo(f"threadchat: {line}", err=True)
    sys.exit(status)
