"""
The command ``threadchat-client``: options, the choice between screen, plain and echo, and exit codes.

Everything that can go wrong ends here, as one line on stderr and a documented exit code.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from types import FrameType

import click

from threadchat import __version__
from threadchat.base.addresses import Address
from threadchat.base.errors import ChatError, ConnectError
from threadchat.client import echo, plain
from threadchat.client.address import server_address
from threadchat.client.client import ChatClient, connect
from threadchat.client.ending import INTERRUPTED, LEFT, TERMINATED, Ending, ExitCode, Terminated
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
    4  input is piped, and the server refused the name: nothing was sent
    5  what is said cannot be written: standard output is full or broken
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
@click.argument("port", default=None, required=False, type=click.IntRange(1, 65535))
@click.option("--name", callback=_check_name_option, help="Your name. Without it, you are asked.")
@click.option("--name-first", is_flag=True, help="Send the name as a line of its own first, and not with each line.")
@click.option("--plain", "plain_mode", is_flag=True, help="Plain lines, as where input or output is no terminal.")
@click.option("--echo", "echo_mode", is_flag=True, help="Be an echo client: send a line, show what comes back.")
@click.version_option(__version__)
def main(*, host: str, port: int | None, name: str | None, name_first: bool, plain_mode: bool, echo_mode: bool) -> None:
    """
    Chat at HOST (localhost) on PORT (7007): threadchat, or any server of lines.

    HOST is a name, an IPv4 or IPv6 address, or an address as servers print it: HOST:PORT, tcp://HOST:PORT,
    unix:///path.
    """
    if echo_mode and (name or name_first):
        raise click.UsageError("--echo sends no name.")
    if sys.stdin is None or sys.stdout is None:  # closed: the socket would get their descriptor
        raise click.UsageError("Standard input and output must be open.")
    if not (echo_mode or name or sys.stdin.isatty()):
        raise click.UsageError("Say who is talking with --name NAME: input is no terminal, so nobody can be asked.")
    try:
        address = server_address(host, port)
    except ValueError as problem:
        raise click.UsageError(str(problem)) from None
    with Keyboard() as keyboard:
        ending = _converse(
            address, keyboard, name=name, name_first=name_first, plain_mode=plain_mode, echo_mode=echo_mode
        )
    if ending.message:
        with contextlib.suppress(OSError):  # the terminal has gone
            click.echo(f"threadchat-client: {ending.message}", err=True)
    sys.exit(ending.code)


def _converse(
    address: Address,
    keyboard: Keyboard,
    *,
    name: str | None,
    name_first: bool,
    plain_mode: bool,
    echo_mode: bool,
) -> Ending:
    output = plain.Output()
    try:
        signal.signal(signal.SIGTERM, _terminate)
        # Ask before connecting: so nobody is in the room under another name while they think.
        if not echo_mode and not (name := name or plain.ask_name(keyboard, output)):
            return LEFT
        with ChatClient(connect(address)) as client:
            if name is None:
                return echo.run(client, keyboard, output)
            return _chat(client, keyboard, output, name, name_first=name_first, plain_mode=plain_mode)
    except ConnectError as problem:
        return Ending(ExitCode.NO_CONNECTION, str(problem))
    except (KeyboardInterrupt, Terminated) as interruption:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)  # a second signal ends the process at once
        if keyboard.interactive:
            click.echo(err=True)  # end the row that shows ^C or what was being typed
        return TERMINATED if isinstance(interruption, Terminated) else INTERRUPTED


def _chat(
    client: ChatClient, keyboard: Keyboard, output: plain.Output, name: str, *, name_first: bool, plain_mode: bool
) -> Ending:
    if name_first:
        with contextlib.suppress(OSError):  # the reader notices too, and knows why
            client.send_line(name)
    speaker = Speaker(name, prefix=not name_first)
    if not plain_mode and keyboard.interactive and _has_screen():
        from threadchat.client import tui  # noqa: PLC0415  # takes a quarter of a second, which pipes need not wait

        return tui.run(client, speaker)
    return plain.run(client, keyboard, output, speaker)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated


def _has_screen() -> bool:
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")
