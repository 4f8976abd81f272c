"""
The configuration: typed, frozen sections, read from TOML.

Every option is declared once, here, with its default. Only daemon.py sees the whole; everything else gets
the section it needs. :func:`load` finds all mistakes at once, each with its path in the file.
"""

from __future__ import annotations

import difflib
import math
import re
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import tomli_w
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    field_validator,
)

from threadchat.addresses import parse_address
from threadchat.errors import ConfigError

_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse_duration(value: object) -> float:
    """Return the seconds meant by a duration as Go writes it, ``"1m30s"``. Raises ValueError."""
    if isinstance(value, str):
        parts = _DURATION_PART.findall(value)
        if parts and "".join(number + unit for number, unit in parts) == value:
            seconds = sum(float(number) * _UNIT_SECONDS[unit] for number, unit in parts)
            if math.isfinite(seconds):
                return seconds
    raise ValueError('write a duration with its unit, such as "500ms", "30s" or "1m30s"')


def _format_duration(seconds: float) -> str:
    # Not :g, which writes long and short ones with an exponent, and rounds.
    return f"{Decimal(repr(seconds)):f}".removesuffix(".0") + "s"


def _parse_addresses(value: object) -> tuple[str, ...]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list | tuple) or not texts or not all(isinstance(text, str) for text in texts):
        raise ValueError("write an address, or a list of addresses")
    return tuple(str(parse_address(text)) for text in texts)


def _format_addresses(addresses: tuple[str, ...]) -> str | list[str]:
    return addresses[0] if len(addresses) == 1 else list(addresses)


Duration = Annotated[float, BeforeValidator(parse_duration), PlainSerializer(_format_duration)]
Addresses = Annotated[tuple[str, ...], BeforeValidator(_parse_addresses), PlainSerializer(_format_addresses)]


class Section(BaseModel):
    """A part of the configuration: frozen, and an unknown key is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Limits(Section):
    """What one server's connections may cost. Sizes in bytes, durations in seconds."""

    max_connections: int = Field(10_000, ge=1)
    when_full: Literal["refuse", "wait"] = "refuse"
    max_connections_per_address: int = Field(0, ge=0)  # 0: no limit; loopback is never limited
    max_line_bytes: int = Field(4096, ge=16)
    flood_lines_per_second: float = Field(20.0, ge=0, allow_inf_nan=False)  # 0: off
    flood_burst_lines: int = Field(200, ge=1)
    idle_timeout: Duration = 0.0  # 0: none
    send_queue_bytes: int = Field(262_144, ge=4096)
    send_timeout: Duration = Field(30.0, gt=0)


class Server(Section):
    """One named server: where it listens, and the app it serves there."""

    addr: Addresses  # one address, or a list of them
    app: Literal["chat", "echo", "broadcast"] = "chat"
    welcome: str = "Welcome to the chatroom!"  # chat
    ask_name: bool = False  # chat: ask newcomers for their name, and take their first line for it
    echo_sender: bool = True  # broadcast: the sender gets its own bytes too
    limits: Limits = Limits()

    @field_validator("welcome")
    @classmethod
    def _one_line(cls, text: str) -> str:
        if not text.isprintable() or not text:
            raise ValueError("the welcome is one line of printable text")
        return text


class Tcp(Section):
    """The servers, by name."""

    servers: dict[str, Server] = Field(min_length=1)


class Daemon(Section):
    """The process."""

    one_processor: bool = True  # stay on one: faster, see processor.py
    stop_timeout: Duration = 5.0  # for goodbyes and for what is still queued, when stopping


class Config(Section):
    """All of it."""

    daemon: Daemon = Daemon()
    tcp: Tcp = Tcp(servers={"lobby": Server(addr=("tcp://127.0.0.1:7007",))})


def load(path: Path) -> Config:
    """Read the TOML file at *path*. Raises ConfigError with everything that is wrong with it."""
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except OSError as problem:
        raise ConfigError([f"{path}: {(problem.strerror or str(problem)).lower()}"]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise ConfigError([f"{path}: not TOML: {problem}"]) from None
    return parse(data)


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
