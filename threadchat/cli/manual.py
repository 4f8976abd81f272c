"""
Man pages, made from the text that ``--help`` shows: ``python -m threadchat.cli.manual DIRECTORY``.

They are not made with click-man (0.6): it leaves out epilogs, which have the client's exit codes, and makes a page of
each subcommand. The markup is man(7).
"""

from __future__ import annotations

import inspect
import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click

from threadchat import __version__
from threadchat.cli.main import main
from threadchat.client.cli import main as client

PAGES = {"threadchat": main, "threadchat-client": client}

_SPECIAL = {"\\": r"\e", "-": r"\-", "'": r"\(aq", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti"}


def write_pages(directory: Path) -> None:
    """Write a page for each program into *directory*. Its date is SOURCE_DATE_EPOCH, or else today."""
    seconds = int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))
    date = time.strftime("%Y-%m-%d", time.gmtime(seconds))
    for name in PAGES:
        (directory / f"{name}.1").write_text(page(name, date), "utf-8")


def page(name: str, date: str) -> str:
    """Return the page of the program *name*."""
    command = PAGES[name]
    context = click.Context(command, info_name=name, **command.context_settings)
    text = inspect.cleandoc(command.help or "")
    summary = " ".join(text.partition("\n\n")[0].split()).rstrip(".")
    lines = [f'.TH {name.upper()} 1 {date} "threadchat {__version__}" "User Commands"']
    lines += [".SH NAME", f"{_escape(name)} \\- {_escape(summary)}"]
    lines += [".SH SYNOPSIS", *_synopsis(context)]
    lines += [".SH DESCRIPTION", *_text(text)]
    lines += [".SH OPTIONS", *_options(context)]
    below = list(_below(context))
    if below:
        lines += [".SH COMMANDS"]
    for inner in below:
        lines += [f".SS {_usage(inner)}", *_text(inspect.cleandoc(inner.command.help or "")), *_options(inner)]
    if command.epilog:
        lines += [".SH NOTES", *_text(inspect.cleandoc(command.epilog))]
    others = ",\n".join(f".BR {_escape(other)} (1)" for other in PAGES if other != name)
    return "\n".join([*lines, ".SH SEE ALSO", others, ""])


def _below(context: click.Context) -> Iterator[click.Context]:
    """Yield a context for each command below that of *context* that is not a group of commands."""
    if isinstance(context.command, click.Group):
        for name, command in context.command.commands.items():
            inner = click.Context(command, info_name=name, parent=context)
            yield from _below(inner) if isinstance(command, click.Group) else [inner]


def _synopsis(context: click.Context) -> Iterator[str]:
    for number, inner in enumerate(list(_below(context)) or [context]):
        if number:
            yield ".br"
        yield _usage(inner)


def _usage(context: click.Context) -> str:
    pieces = _escape(" ".join(context.command.collect_usage_pieces(context)))
    return f"\\fB{_escape(context.command_path)}\\fR {pieces}"


def _options(context: click.Context) -> Iterator[str]:
    records = [parameter.get_help_record(context) for parameter in context.command.get_params(context)]
    for names, text in filter(None, records):
        if text and (context.parent is None or not names.endswith("--help")):  # once is enough
            yield from (".TP", f"\\fB{_escape(names)}\\fR", _escape(text))


def _text(text: str) -> Iterator[str]:
    """Yield the lines of all paragraphs. As in ``--help``, one that begins with a backspace keeps its line ends."""
    for number, paragraph in enumerate(re.split(r"\n\s*\n", text)):
        if number:
            yield ".PP"
        lines = paragraph.splitlines()
        if lines[0].strip() == "\b":
            yield from (".nf", *map(_escape, lines[1:]), ".fi")
        else:
            yield from (_escape(line.strip()) for line in lines)


def _escape(text: str) -> str:
    escaped = "".join(_SPECIAL.get(character, character) for character in text)
    return rf"\&{escaped}" if escaped.startswith(".") else escaped


if __name__ == "__main__":
    write_pages(Path(sys.argv[1]))
