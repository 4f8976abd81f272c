"""
The configuration: typed, frozen sections, read from TOML.

Every option is declared once, here, with its default. Only daemon.py sees the whole; everything else gets
the section it needs. :func:`load` finds all mistakes at once, each with its path in the file.
"""

from __future__ import annotations

import difflib
import math
import os
import re
import shlex
import tomllib
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

import tomli_w
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    field_validator,
    model_validator,
)

from threadchat.addresses import UnixAddress, parse_address
from threadchat.errors import ConfigError

_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")
_UNIT_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


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


def _split_command(value: object) -> object:
    """Return a command's words: a list as it is, a string split as a shell would, though no shell runs."""
    words = shlex.split(value) if isinstance(value, str) else value
    return tuple(words) if isinstance(words, list) else words


def _read_environment(value: object) -> object:
    """Upper-case the names and expand ``$VAR`` in the values, as RoadRunner does; a list of tables is as good."""
    variables: dict[str, str] = {}
    for table in value if isinstance(value, list) else [value]:
        if not isinstance(table, dict):
            return value
        variables |= {key.upper(): os.path.expandvars(str(text)) for key, text in table.items()}
    return variables


Duration = Annotated[float, BeforeValidator(parse_duration), PlainSerializer(_format_duration)]
Addresses = Annotated[tuple[str, ...], BeforeValidator(_parse_addresses), PlainSerializer(_format_addresses)]
Command = Annotated[tuple[str, ...], BeforeValidator(_split_command), PlainSerializer(list)]
Environment = Annotated[dict[str, str], BeforeValidator(_read_environment)]


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
    max_message_bytes: int = Field(64 * 1024 * 1024, ge=1024)  # worker
    idle_timeout: Duration = 0.0  # 0: none
    send_queue_bytes: int = Field(262_144, ge=4096)
    send_timeout: Duration = Field(30.0, gt=0)


class Server(Section):
    """One named server: where it listens, and the app it serves there."""

    addr: Addresses  # one address, or a list of them
    app: Literal["chat", "echo", "broadcast", "worker"] = "chat"  # "worker" where there is a tcp.pool
    welcome: str = "Welcome to the chatroom!"  # chat
    ask_name: bool = False  # chat: ask newcomers for their name, and take their first line for it
    echo_sender: bool = True  # broadcast: the sender gets its own bytes too
    delimiter: str = "\r\n"  # worker: what ends a message; it stays part of the message
    limits: Limits = Limits()

    @field_validator("welcome")
    @classmethod
    def _one_line(cls, text: str) -> str:
        if not text.isprintable() or not text:
            raise ValueError("the welcome is one line of printable text")
        return text

    @field_validator("delimiter")
    @classmethod
    def _some_delimiter(cls, text: str) -> str:
        return text or "\r\n"


class Supervisor(Section):
    """Limits on a worker's life; 0: none. All but ``exec_ttl`` wait until the worker is idle."""

    watch_tick: Duration = Field(5.0, gt=0)
    ttl: Duration = 0.0
    idle_ttl: Duration = 0.0
    exec_ttl: Duration = 0.0
    max_worker_memory: int = Field(0, ge=0)  # MB of resident memory


class Pool(Section):
    """The worker processes, by RoadRunner's names: one pool for all servers whose app is "worker"."""

    command: Command = ()  # (): server.command
    num_workers: int = Field(0, ge=0, le=500)  # 0: one for each CPU
    max_jobs: int = Field(0, ge=0)  # events after which a worker is replaced; 0: never
    max_queue_size: int = Field(0, ge=0)  # events queued or executing; 0: no limit
    allocate_timeout: Duration = Field(60.0, gt=0)  # for a worker to start, and for an event to get one
    destroy_timeout: Duration = 60.0  # for the whole pool to stop
    reset_timeout: Duration = 60.0  # for busy workers when all are replaced
    close_timeout: Duration = Field(10.0, gt=0)  # for an answer to CLOSE without exec_ttl; not in RoadRunner
    debug: bool = False  # a fresh process for every event
    supervisor: Supervisor = Supervisor()

    @property
    def size(self) -> int:
        """How many workers there shall be."""
        return self.num_workers or os.cpu_count() or 1


class Tcp(Section):
    """The servers, by name."""

    servers: dict[str, Server] = Field(min_length=1)
    pool: Pool = Pool()
    read_buf_size: int = Field(1, ge=0, le=100)  # MB; RoadRunner's, without effect: reads are small here

    @model_validator(mode="before")
    @classmethod
    def _default_app(cls, data: Any) -> Any:
        """Where a pool is configured, servers that name no app are for its workers."""
        if not isinstance(data, dict) or "pool" not in data or not isinstance(data.get("servers"), dict):
            return data
        servers = {
            name: {"app": "worker", **server} if isinstance(server, dict) else server
            for name, server in data["servers"].items()
        }
        return {**data, "servers": servers}

    @property
    def needs_pool(self) -> bool:
        """Whether any server is for workers."""
        return any(server.app == "worker" for server in self.servers.values())


class Spawn(Section):
    """How worker processes are started (RoadRunner's section ``server``)."""

    command: Command = ()
    relay: str = "pipes"
    env: Environment = {}
    user: str = ""
    group: str = ""

    @field_validator("relay")
    @classmethod
    def _some_relay(cls, text: str) -> str:
        if text != "pipes":
            parse_address(text)
        return text


class Rpc(Section):
    """Where workers and ``threadchat workers`` reach this daemon, if it has workers."""

    listen: str = ""  # unix:///PATH; "": a path of its own in the runtime directory

    @field_validator("listen")
    @classmethod
    def _unix(cls, text: str) -> str:
        if text and not isinstance(parse_address(text), UnixAddress):
            raise ValueError("write unix:///PATH: who may call is who may open that file")
        return text


class Daemon(Section):
    """The process."""

    one_processor: bool = True  # stay on one: faster, see processor.py
    stop_timeout: Duration = 5.0  # for goodbyes and for what is still queued, when stopping


class Config(Section):
    """All of it."""

    daemon: Daemon = Daemon()
    server: Spawn = Spawn()
    rpc: Rpc = Rpc()
    tcp: Tcp = Tcp(servers={"lobby": Server(addr=("tcp://127.0.0.1:7007",))})

    @model_validator(mode="after")
    def _command_for_workers(self) -> Self:
        if self.tcp.needs_pool and not (self.server.command or self.tcp.pool.command):
            raise ValueError('server.command: say what to start as a worker, such as "python worker.py"')
        return self


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
