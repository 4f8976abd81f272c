"""
The command ``threadchat-client``: options, the choice between screen, plain and echo, and exit codes.

Everything that can go wrong comes out here as one line on stderr and a documented exit code.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys

import click

from threadchat import __version__
from threadchat.base.errors import ChatError, ConnectError
from threadchat.client import echo, plain
from threadchat.client.client import ChatClient, connect
from threadchat.client.ending import INTERRUPTED, LEFT, Ending, ExitCode
from threadchat.client.keyboard import Keyboard
from threadchat.client.speaker import Speaker, check_name

_EPILOG = """
Lines that begin with a slash are commands for the server; quit or exit alone, Ctrl-D and Ctrl-C leave.

\b
Exit codes:
    0  you left (also: all of the piped input is sent, or /quit)
    1  no connection: refused, unknown host, no answer
    2  wrong usage
    3  the server closed the connection, or it was lost
  130  Ctrl-C
  143  SIGTERM
"""


def _check_name_option(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    try:
        return check_name(value)
    except ChatError as problem:
        raise click.BadParameter(str(problem)) from None


@click.command(epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("host", default="localhost")
@click.argument("port", default=7007, type=click.IntRange(1, 65535))
@click.option("--name", callback=_check_name_option, help="Your name; asked for where it is not given.")
@click.option("--name-first", is_flag=True, help="Send the name as a line of its own first: some servers ask.")
@click.option("--plain", "plain_mode", is_flag=True, help="Plain lines, as where input or output is no terminal.")
@click.option("--echo", "echo_mode", is_flag=True, help="Be an echo client: send a line, show what comes back.")
@click.version_option(__version__)
def main(*, host: str, port: int, name: str | None, name_first: bool, plain_mode: bool, echo_mode: bool) -> None:
    """
    Chat at HOST (localhost) on PORT (7007): threadchat, or any server of lines.

    HOST is a name, an IPv4 or IPv6 address, or unix:///path.
    """
    if echo_mode and (name or name_first):
        raise click.UsageError("--echo sends no name.")
    if sys.stdin is None or sys.stdout is None:  # closed: the socket would take their place
        raise click.UsageError("Standard input and output must be open.")
    try:
        with Keyboard() as keyboard, ChatClient(connect(host, port)) as client:
            ending = _converse(
                client,
                keyboard,
                name=name,
                name_first=name_first,
                plain_mode=plain_mode,
                echo_mode=echo_mode,
            )
    except ConnectError as problem:
        ending = Ending(ExitCode.NO_CONNECTION, str(problem))
    except ChatError as problem:  # a name that was piped in
        ending = Ending(ExitCode.USAGE, str(problem))
    except KeyboardInterrupt:
        ending = INTERRUPTED
    if ending.message:
        click.echo(f"threadchat-client: {ending.message}", err=True)
    sys.exit(ending.code)


def _converse(
    client: ChatClient,
    keyboard: Keyboard,
    *,
    name: str | None,
    name_first: bool,
    plain_mode: bool,
    echo_mode: bool,
) -> Ending:
    output = plain.Output()
    try:
        if echo_mode:
            return echo.run(client, keyboard, output)
        name = name or plain.ask_name(keyboard, output)
        if name is None:
            return LEFT
        if name_first:
            with contextlib.suppress(OSError):  # the reader finds out too, and knows why
                client.send_line(name)
        if not plain_mode and keyboard.interactive and _has_screen():
            from threadchat.client import tui  # noqa: PLC0415  # a quarter of a second that pipes need not wait

            return tui.run(client, Speaker(name))
        return plain.run(client, keyboard, output, Speaker(name))
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a second one need not wait for anything
        if keyboard.interactive:
            click.echo(err=True)  # after the terminal's ^C
        return INTERRUPTED


def _has_screen() -> bool:
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")
