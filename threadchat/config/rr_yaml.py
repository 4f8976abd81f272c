"""
An unmodified ``.rr.yaml``, RoadRunner's configuration, as the tables that a TOML file of ours would have.

The sections ``server`` and ``tcp`` are used, and ``rpc`` if it names a unix socket. All other sections are left out,
and so are options that make no sense here; their names are returned. As in RoadRunner, values may have ``${NAME}`` and
``${NAME:-default}`` from the environment, names of servers are lower-case, and a bare number for a duration means
nanoseconds.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from threadchat.base.errors import ConfigError
from threadchat.config.loading import Loaded, parse, read_text
from threadchat.config.sections import Pool, Rpc, Spawn, Supervisor
from threadchat.config.source import KeyPath, Source

_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}|\$(\w+)")
_SERVERS = ("tcp", "servers")
_SILENT = frozenset({"version"})  # of the file format: every file has it


def load(path: Path) -> Loaded:
    """Read the file at *path*. Raises ConfigError with everything that is wrong with it."""
    try:
        import yaml  # noqa: PLC0415, an extra
    except ImportError:
        raise ConfigError([f"{path}: YAML needs one more package: pip install 'threadchat[yaml]'"]) from None
    text = read_text(path)
    try:
        lines, problems = _lines(yaml.compose(text, yaml.SafeLoader))
        data = yaml.safe_load(text)
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise ConfigError([f"{path}{line}: not YAML: {getattr(problem, 'problem', None) or problem}"]) from None
    source = Source(str(path), lines)
    if problems:
        raise ConfigError([source.say(key, sentence) for key, sentence in problems])

    def expand(value: Any) -> Any:
        match value:
            case dict():
                return {key: expand(item) for key, item in value.items()}
            case list():
                return [expand(item) for item in value]
            case str() if _VARIABLE.search(value):
                return yaml.safe_load(_VARIABLE.sub(_from_environment, value))
        return value

    if not isinstance(data, dict) or not isinstance(data.get("tcp"), dict):
        raise ConfigError([f"{path}: there is no section tcp"])
    ignored: list[str] = []
    return Loaded(parse(_translate(expand(data), ignored), source), source, ignored)


def _lines(root: Any) -> tuple[dict[KeyPath, int], list[tuple[KeyPath, str]]]:
    """
    Return the line of every key below *root*, a YAML node, and the keys that are there twice, each with a sentence.

    RoadRunner refuses a file that has a key twice. PyYAML would silently take the last one.
    """
    lines: dict[KeyPath, int] = {}
    problems: list[tuple[KeyPath, str]] = []

    def look(node: Any, above: KeyPath) -> None:
        if node is None or node.id != "mapping":
            return
        own: dict[str, int] = {}
        for key, value in node.value:
            name = str(key.value)
            path = (*above, name.lower() if above == _SERVERS else name)  # as _translate writes it
            line = key.start_mark.line + 1
            if name in own:
                problems.append((path, f"it is there again in line {line}: remove one of the two"))
            own[name] = line
            lines.setdefault(path, line)
            look(value, path)

    look(root, ())
    return lines, problems


def _from_environment(found: re.Match[str]) -> str:
    name, default, bare = found.groups()
    return os.environ.get(name or bare) or default or ""


def _translate(data: dict[str, Any], ignored: list[str]) -> dict[str, Any]:
    tcp = data["tcp"]
    tables = {
        "server": dict(_known(data.get("server") or {}, Spawn, "server", ignored)),
        "tcp": {
            **dict(_chosen(tcp, ("servers", "pool", "read_buf_size"), "tcp", ignored)),
            "servers": {str(name).lower(): _server(server) for name, server in (tcp.get("servers") or {}).items()},
            "pool": _pool(tcp.get("pool") or {}, ignored),
        },
    }
    rpc = data.get("rpc") or {}
    if str(rpc.get("listen", "")).startswith("unix://"):
        tables["rpc"] = dict(_known(rpc, Rpc, "rpc", ignored))
    ignored += [name for name in data if name not in tables and name not in _SILENT]
    return tables


def _server(server: Any) -> Any:
    """Return the table of a server for workers, with a scheme in its address."""
    if not isinstance(server, dict):
        return server
    addr = server.get("addr")
    if isinstance(addr, str) and "://" not in addr:
        addr = f"tcp://{addr}"
    return {"app": "worker", **server, **({"addr": addr} if addr else {})}


def _pool(pool: dict[str, Any], ignored: list[str]) -> dict[str, Any]:
    table = dict(_durations(_known(pool, Pool, "tcp.pool", ignored)))
    if isinstance(supervisor := pool.get("supervisor"), dict):
        table["supervisor"] = dict(_durations(_known(supervisor, Supervisor, "tcp.pool.supervisor", ignored)))
    return table


def _known(table: dict[str, Any], section: Any, path: str, ignored: list[str]) -> Iterator[tuple[str, Any]]:
    """Yield the options of *table* that *section* knows, but not empty ones: those have their defaults."""
    return _chosen(table, section.model_fields, path, ignored)


def _chosen(table: dict[str, Any], keys: Any, path: str, ignored: list[str]) -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if key not in keys:
            ignored.append(f"{path}.{key}")
        elif value is not None:
            yield key, value


def _durations(items: Iterator[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    for key, value in items:
        is_duration = key.endswith(("_timeout", "ttl", "_tick"))
        yield key, f"{value}ns" if is_duration and isinstance(value, int) else value
