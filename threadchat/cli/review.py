"""
What on this machine does not fit a configuration: programs that are not there, addresses that are taken.

Nothing is started, and nothing is left behind. A problem is a path in the configuration and a sentence.
"""

from __future__ import annotations

import grp
import shutil
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path

from threadchat.base.addresses import clash, parse_address
from threadchat.base.errors import ListenError
from threadchat.config.sections import Config
from threadchat.config.source import KeyPath
from threadchat.history.checking import Finding, find
from threadchat.history.opening import state_directory
from threadchat.net.listen import try_to_listen
from threadchat.workers.launcher import resolve

Problem = tuple[KeyPath, str]


def find_worker(config: Config) -> Iterator[Problem]:
    """Yield what is missing for the workers' command, if there are workers."""
    if not config.tcp.needs_pool:
        return
    path: KeyPath = ("tcp", "pool", "command") if config.tcp.pool.command else ("server", "command")
    command = resolve(config.tcp.pool.command or config.server.command)
    if shutil.which(command[0], path=config.server.env.get("PATH")) is None:
        yield path, f"there is no program {command[0]}: install it, or write its whole path"
    elif len(command) > 1 and command[1].endswith((".py", ".php")) and not Path(command[1]).exists():
        yield (
            path,
            f"there is no file {command[1]} in {Path.cwd()}: write its whole path",
        )


def try_addresses(config: Config) -> tuple[list[str], list[Problem]]:
    """Try to listen on each address; return sentences about those that would be served, and the problems."""
    served: list[str] = []
    problems: list[Problem] = []
    for name, server in config.tcp.servers.items():
        for text in server.addr:
            try:
                try_to_listen(parse_address(text), server.socket_group)
            except ListenError as problem:
                problems.append((("tcp", "servers", name, "addr"), str(problem)))
            else:
                served.append(f"{name} ({server.app}) on {text}")
    return served, problems


def find_history(config: Config, environ: Mapping[str, str]) -> list[Finding]:
    """Return what would be found where history is kept; nothing where it is kept in memory."""
    path = state_directory(config.history, environ)
    return find(path) if path else []


def find_clashes(config: Config) -> Iterator[Problem]:
    """Yield a problem for each pair of addresses that cannot both be had."""
    every = [(name, parse_address(text)) for name, server in config.tcp.servers.items() for text in server.addr]
    for (name, one), (other_name, other) in combinations(every, 2):
        if clash(one, other):
            if one != other:
                problem = f"{other} and {one} ({name}) cannot both be had: one includes the other"
            else:
                problem = f"{other} is there twice" if name == other_name else f"{other} is the address of {name}, too"
            yield ("tcp", "servers", other_name, "addr"), problem


def find_groups(config: Config) -> Iterator[Problem]:
    """Yield a problem for each group that is to have a socket but does not exist."""
    for name, server in config.tcp.servers.items():
        group = server.socket_group
        try:
            if group and not group.isdecimal():
                grp.getgrnam(group)
        except KeyError:
            yield ("tcp", "servers", name, "socket_group"), f"there is no group {group} on this machine"
