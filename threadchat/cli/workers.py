"""The ``threadchat workers`` commands: ask a running daemon about its worker processes."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import click

from threadchat.base.errors import RpcError
from threadchat.workers.admin import PLUGIN
from threadchat.workers.rpc import RpcClient
from threadchat.workers.rpc_server import find_sockets

_COLUMNS = "{:>8}  {:<8} {:>10} {:>9} {:>10}  {}"


def _choose(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    if value:
        context.obj = value


#: An option that may stand before or after the name of the command.
_rpc = click.option(
    "--rpc",
    metavar="ADDR",
    callback=_choose,
    expose_value=False,
    help="The daemon's RPC socket, unix:///PATH. [the only one there is]",
)


@click.group(short_help="List, replace, add or remove workers.")
@_rpc
def workers() -> None:
    """List, replace, add or remove the worker processes of a running daemon."""


@workers.command("list")
@_rpc
@click.pass_obj
def list_(rpc: str | None) -> None:
    """Show each worker: process id, state, events handled, memory, age, command."""
    with _daemon(rpc) as daemon:
        found = _list(daemon)
    click.echo(_COLUMNS.format("PID", "STATE", "EVENTS", "MEMORY", "AGE", "COMMAND"))
    for worker in found:
        age = f"{time.time() - worker['created'] / 1e9:.0f} s"
        memory = f"{worker['memoryUsage'] / 1024 / 1024:.1f} MB"
        fields = worker["pid"], worker["statusStr"], worker["numExecs"], memory, age, worker["command"]
        click.echo(_COLUMNS.format(*fields))


@workers.command()
@_rpc
@click.pass_obj
def reset(rpc: str | None) -> None:
    """Replace all workers, each when it is idle. Connections go on."""
    with _daemon(rpc) as daemon:
        before = {worker["pid"] for worker in _list(daemon)}
        daemon.call("resetter.Reset", PLUGIN)
        count = len(before - {worker["pid"] for worker in _list(daemon)})
    click.echo(f"{count} {'worker' if count == 1 else 'workers'} replaced")


@workers.command()
@_rpc
@click.pass_obj
def add(rpc: str | None) -> None:
    """Start one worker more."""
    with _daemon(rpc) as daemon:
        daemon.call("informer.AddWorker", PLUGIN)
    click.echo("1 worker added")


@workers.command()
@_rpc
@click.pass_obj
def remove(rpc: str | None) -> None:
    """Stop one worker. The last one stays."""
    with _daemon(rpc) as daemon:
        daemon.call("informer.RemoveWorker", PLUGIN)
    click.echo("1 worker removed")


def _list(daemon: RpcClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = daemon.call("informer.Workers", PLUGIN)["workers"]
    return found


@contextmanager
def _daemon(rpc: str | None) -> Iterator[RpcClient]:
    """Give a client of the daemon at *rpc*, or of the only one there is. End with status 1 if that is impossible."""
    found = [rpc] if rpc else find_sockets()
    if not found:
        _fail("no daemon with workers is running, or it is another user's")
    if len(found) > 1:
        _fail(f"several daemons have workers; choose one with --rpc: {', '.join(found)}")
    try:
        client = RpcClient(found[0])
    except OSError as problem:
        _fail(f"no daemon can be asked at {found[0]}: {(problem.strerror or str(problem)).lower()}")
    except ValueError as problem:  # it is no address
        _fail(f"--rpc: {problem}")
    try:
        yield client
    except (OSError, RpcError) as problem:
        _fail(str(problem))
    finally:
        client.close()


def _fail(text: str) -> NoReturn:
    click.echo(f"threadchat: {text}", err=True)
    sys.exit(1)
