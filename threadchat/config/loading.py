"""
From a file to a configuration, and back. All mistakes are found at once, each with file, line and path.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, get_args

import tomli_w
from pydantic import ValidationError

from threadchat.base.errors import ConfigError
from threadchat.config.sections import Config, Section
from threadchat.config.source import NOWHERE, Source, toml_lines

_TOML_LINE = re.compile(r" \(at line (\d+), column \d+\)$")


class Loaded(NamedTuple):
    """A configuration, where its options stand, and the paths of options in the file that mean nothing to us."""

    config: Config
    source: Source
    ignored: list[str]


def load(path: Path) -> Loaded:
    """Read the TOML file at *path*. Raises ConfigError with everything that is wrong with it."""
    text = read_text(path)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        line = "".join(f":{found[1]}" for found in _TOML_LINE.finditer(str(problem)))
        reason = _TOML_LINE.sub("", str(problem))
        raise ConfigError([f"{path}{line}: not TOML: {_decapitalised(reason)}"]) from None
    source = Source(str(path), toml_lines(text))
    return Loaded(parse(data, source), source, [])


def read_text(path: Path) -> str:
    """Return the text of the file at *path*. Raises ConfigError if it cannot be read, or is not text."""
    try:
        return path.read_text("utf-8")
    except OSError as problem:
        raise ConfigError([f"{path}: {(problem.strerror or str(problem)).lower()}"]) from None
    except UnicodeDecodeError as problem:
        raise ConfigError([f"{path}: not a text in UTF-8: {problem.reason} at byte {problem.start}"]) from None


def parse(data: Mapping[str, Any], source: Source = NOWHERE) -> Config:
    """Return the configuration that *data* describes. Raises ConfigError with everything that is wrong."""
    try:
        return Config.model_validate(data)
    except ValidationError as problem:
        raise ConfigError([source.say(*_describe(error)) for error in problem.errors()]) from None


def dump(config: Config) -> str:
    """Return *config* as TOML, with all defaults. Without workers, defaults that are only for them are left out."""
    data = config.model_dump()
    if not config.tcp.needs_pool:
        defaults = Config().model_dump()
        for key in ("server", "rpc"):
            if data[key] == defaults[key]:
                del data[key]
        for key in ("pool", "read_buf_size"):
            if data["tcp"][key] == defaults["tcp"][key]:
                del data["tcp"][key]
    return tomli_w.dumps(data)


def _describe(error: Any) -> tuple[list[str], str]:
    """Return the path that a pydantic error is about, and a sentence that says what is wrong, perhaps with a hint."""
    location = [str(part) for part in error["loc"]]
    if error["type"] == "extra_forbidden":
        *where, key = location
        known = _keys_at(where)
        close = difflib.get_close_matches(key, known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known here: {', '.join(known)}"
        return location, f"unknown key; {hint}"
    if error["type"] in ("model_type", "dict_type"):
        return location, "this is a section with options of its own, not a value"
    message = error["msg"].removeprefix("Value error, ")
    if not location:  # about several sections: the message begins with a path of its own
        path, _, message = message.partition(": ")
        location = path.split(".")
    return location, _decapitalised(message)


def _decapitalised(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


def _keys_at(location: list[str]) -> list[str]:
    """Return the keys that the section at *location* knows."""
    kind: Any = Config
    for part in location:
        if isinstance(kind, type) and issubclass(kind, Section):
            kind = kind.model_fields[part].annotation
        else:  # dict[str, Section]
            kind = get_args(kind)[1]
    return list(kind.model_fields)
