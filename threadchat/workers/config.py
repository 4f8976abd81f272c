"""
The sections ``server`` and ``tcp.pool``: RoadRunner's names and meanings, typed and frozen.

Durations are written as in Go (``60s``, ``1m30s``, ``500ms``) and are seconds here; sizes are in MB, as their
names do not say. Reading files and finding every mistake is config.py's business.
"""

from __future__ import annotations

import os
import re
import shlex
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
#: RoadRunner refuses to start more.
MAX_WORKERS = 500


def parse_duration(value: object) -> float:
    """Return the seconds that *value*, a duration as Go writes it, stands for. Raises ValueError."""
    if value in (0, "0"):
        return 0.0
    if isinstance(value, str) and re.fullmatch(f"(?:{_PART.pattern})+", value):
        return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(value))
    raise ValueError(f"{value!r} is no duration: write a number with its unit, as in 60s, 1m30s or 500ms")


def split_command(value: object) -> object:
    """Return a command's words: a list as it is, a string split as a shell would (but no shell runs)."""
    return tuple(shlex.split(value)) if isinstance(value, str) else value


Duration = Annotated[float, BeforeValidator(parse_duration)]
Command = Annotated[tuple[str, ...], BeforeValidator(split_command)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SupervisorConfig(_Section):
    """Limits on a worker's life; 0 is off. All but ``exec_ttl`` wait until the worker is idle."""

    watch_tick: Duration = 5.0
    ttl: Duration = 0.0
    idle_ttl: Duration = 0.0
    exec_ttl: Duration = 0.0
    max_worker_memory: Annotated[int, Field(ge=0)] = 0  # MB of resident memory

    @field_validator("watch_tick")
    @classmethod
    def _tick(cls, value: float) -> float:
        if value <= 0:
            raise ValueError("must be more than 0")
        return value


class PoolConfig(_Section):
    """The section ``tcp.pool``."""

    command: Command = ()  # () = server.command
    num_workers: Annotated[int, Field(ge=0, le=MAX_WORKERS)] = 0  # 0 = one for each CPU
    max_jobs: Annotated[int, Field(ge=0)] = 0  # events after which a worker is replaced; 0 = never
    max_queue_size: Annotated[int, Field(ge=0)] = 0  # events queued or executing; 0 = no limit
    allocate_timeout: Duration = 60.0  # for a worker to start, and for an event to wait for one
    destroy_timeout: Duration = 60.0  # for the whole pool to stop
    reset_timeout: Duration = 60.0  # for busy workers, when all are replaced
    close_timeout: Duration = 10.0  # for the answer to CLOSE, where exec_ttl is off; not in RoadRunner
    debug: bool = False  # a fresh process for every event
    supervisor: SupervisorConfig | None = None

    @property
    def size(self) -> int:
        """How many workers there shall be."""
        return self.num_workers or os.cpu_count() or 1


class ServerConfig(_Section):
    """The section ``server``: how workers are started."""

    command: Command = ()
    relay: str = "pipes"
    env: dict[str, str] = Field(default_factory=dict)
    user: str = ""
    group: str = ""

    @field_validator("relay")
    @classmethod
    def _relay(cls, value: str) -> str:
        if value != "pipes" and not value.startswith(("tcp://", "unix://")):
            raise ValueError(f"{value!r} is no relay: use pipes, tcp://HOST:PORT or unix:///PATH")
        return value

    @field_validator("env", mode="before")
    @classmethod
    def _env(cls, value: Any) -> object:
        """Upper-case the names and expand ``$VAR`` in the values; a list of mappings is as good as one."""
        if isinstance(value, list) and all(isinstance(item, dict) for item in value):
            value = {name: text for item in value for name, text in item.items()}
        if not isinstance(value, dict):
            return value
        return {str(name).upper(): os.path.expandvars(str(text)) for name, text in value.items()}
