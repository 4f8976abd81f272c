"""Where in a file an option stands, so that an error can name the file and the line."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

#: The path of a key: ``("tcp", "servers", "lobby", "addr")``.
KeyPath = tuple[str, ...]


class Source:
    """A file by its *name*, and the *lines* of its keys, the first line being 1."""

    def __init__(self, name: str, lines: Mapping[KeyPath, int]) -> None:
        self._name = name
        self._lines = lines

    def say(self, path: Sequence[object], sentence: str) -> str:
        """Return *sentence* with its place before it: ``FILE:LINE: tcp.servers.lobby.addr: sentence``."""
        keys = tuple(str(key) for key in path)
        named = f"{'.'.join(keys)}: {sentence}" if keys else sentence
        # A missing option has no line. The line of its section says where it belongs.
        lines = [self._lines[keys[:count]] for count in range(len(keys), 0, -1) if keys[:count] in self._lines]
        where = [self._name, *map(str, lines[:1])] if self._name else []
        return ": ".join([":".join(where), named]) if where else named


#: For a configuration that does not come from a file.
NOWHERE = Source("", {})


def toml_lines(text: str) -> dict[KeyPath, int]:
    """
    Return the line of every key of *text*, which is valid TOML.

    tomllib does not tell lines. But a whole statement can be parsed by itself, below the header of its section. So
    lines are added to a statement until it can be parsed.
    """
    found: dict[KeyPath, int] = {}
    header, statement, first = "", "", 1
    for number, line in enumerate(text.split("\n"), 1):
        statement += line + "\n"
        try:
            data = tomllib.loads(header + statement)
        except tomllib.TOMLDecodeError:
            continue  # a value of several lines
        if line.lstrip().startswith("[") and first == number:
            header = statement
            data = tomllib.loads(header)
        for path in _paths(data):
            found.setdefault(path, first)
        statement, first = "", number + 1
    return found


def _paths(data: Mapping[str, Any], above: KeyPath = ()) -> Iterator[KeyPath]:
    for key, value in data.items():
        yield (*above, key)
        if isinstance(value, dict):
            yield from _paths(value, (*above, key))
