"""The ``threadchat workers`` commands: ask a running daemon about its worker processes."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import click

from threadchat.base.errors import RpcError
from threadchat.workers.admin import PLUGIN
from threadchat.workers.rpc import RpcClient
from threadchat.workers.rpc_server import find_sockets

_COLUMNS = "{:>8}  {:<8} {:>10} {:>9} {:>10}  {}"


@click.group()
@click.option("--rpc", metavar="ADDR", help="The daemon's RPC socket, unix:///PATH. [the only one there is]")
@click.pass_context
def workers(context: click.Context, rpc: str | None) -> None:
    """List, replace, add or remove the worker processes of a running daemon."""
    context.obj = rpc


@workers.command("list")
@click.pass_obj
def list_(rpc: str | None) -> None:
    """Show each worker: process id, state, events handled, memory, age, command."""
    with _daemon(rpc) as daemon:
        found = daemon.call("informer.Workers", PLUGIN)["workers"]
    click.echo(_COLUMNS.format("PID", "STATE", "EVENTS", "MEMORY", "AGE", "COMMAND"))
    for worker in found:
        age = f"{time.time() - worker['created'] / 1e9:.0f} s"
        memory = f"{worker['memoryUsage'] / 1024 / 1024:.1f} MB"
        fields = worker["pid"], worker["statusStr"], worker["numExecs"], memory, age, worker["command"]
        click.echo(_COLUMNS.format(*fields))


@workers.command()
@click.pass_obj
def reset(rpc: str | None) -> None:
    """Replace all workers, each when it is idle; connections go on."""
    with _daemon(rpc) as daemon:
        daemon.call("resetter.Reset", PLUGIN)


@workers.command()
@click.pass_obj
def add(rpc: str | None) -> None:
    """Start one worker more."""
    with _daemon(rpc) as daemon:
        daemon.call("informer.AddWorker", PLUGIN)


@workers.command()
@click.pass_obj
def remove(rpc: str | None) -> None:
    """Stop one worker; the last one stays."""
    with _daemon(rpc) as daemon:
        daemon.call("informer.RemoveWorker", PLUGIN)


@contextmanager
def _daemon(rpc: str | None) -> Iterator[RpcClient]:
    """Give a client of the daemon at *rpc*, or of the only one there is; end with status 1 if it cannot be done."""
    found = [rpc] if rpc else find_sockets()
    if not found:
        _fail("no daemon with workers is running, or it is another user's")
    if len(found) > 1:
        _fail(f"several daemons have workers; choose one with --rpc: {', '.join(found)}")
    try:
        client = RpcClient(found[0])
    except (OSError, ValueError) as problem:
        _fail(f"{found[0]}: {problem}")
    try:
        yield client
    except (OSError, RpcError) as problem:
        _fail(str(problem))
    finally:
        client.close()


def _fail(text: str) -> NoReturn:
    click.echo(f"threadchat: {text}", err=True)
    sys.exit(1)
