"""
From a file to a configuration, and back: all mistakes are found at once, each with its path in the file.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args

import tomli_w
from pydantic import ValidationError

from threadchat.base.errors import ConfigError
from threadchat.config.sections import Config, Section


def load(path: Path) -> Config:
    """Read the TOML file at *path*. Raises ConfigError with everything that is wrong with it."""
    return parse(read_file(path, "TOML", tomllib.loads, tomllib.TOMLDecodeError))


def read_file(path: Path, language: str, loads: Callable[[str], Any], mistake: type[Exception]) -> Any:
    """Return what *loads* makes of the file at *path*. Raises ConfigError, also for the *mistake* that it raises."""
    try:
        return loads(path.read_text("utf-8"))
    except OSError as problem:
        raise ConfigError([f"{path}: {(problem.strerror or str(problem)).lower()}"]) from None
    except (mistake, UnicodeDecodeError) as problem:
        raise ConfigError([f"{path}: not {language}: {problem}"]) from None


def parse(data: Mapping[str, Any]) -> Config:
    """Return the configuration that *data* describes. Raises ConfigError with everything that is wrong."""
    try:
        return Config.model_validate(data)
    except ValidationError as problem:
        raise ConfigError([_describe(error) for error in problem.errors()]) from None


def dump(config: Config) -> str:
    """Return *config* as TOML, defaults and all."""
    return tomli_w.dumps(config.model_dump())


def _describe(error: Any) -> str:
    """Return one sentence for a pydantic error: the path, what is wrong, and a guess at what was meant."""
    location = [str(part) for part in error["loc"]]
    if error["type"] == "extra_forbidden":
        *where, key = location
        known = _keys_at(where)
        close = difflib.get_close_matches(key, known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known here: {', '.join(known)}"
        return f"{'.'.join(location)}: unknown key; {hint}"
    message = error["msg"].removeprefix("Value error, ")
    if not location:  # about several sections: the message has its own path
        return str(message)
    return f"{'.'.join(location)}: {message[0].lower()}{message[1:]}"


def _keys_at(location: list[str]) -> list[str]:
    """Return the keys that the section at *location* knows."""
    kind: Any = Config
    for part in location:
        if isinstance(kind, type) and issubclass(kind, Section):
            kind = kind.model_fields[part].annotation
        else:  # dict[str, Section]
            kind = get_args(kind)[1]
    return list(kind.model_fields)
