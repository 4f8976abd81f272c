"""
The kinds of values that options have besides numbers and texts: durations, addresses, commands, environments.

Each is read from a value of TOML (or YAML), and written back by ``dump``.
If it is wrong, the error says how to write it.
"""

from __future__ import annotations

import math
import os
import re
import shlex
from decimal import Decimal
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer

from threadchat.base.addresses import parse_address

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
    # Not with :g, which rounds, and writes long and short durations with an exponent.
    return f"{Decimal(repr(seconds)):f}".removesuffix(".0") + "s"


def _parse_addresses(value: object) -> tuple[str, ...]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list | tuple) or not texts or not all(isinstance(text, str) for text in texts):
        raise ValueError("write an address, or a list of addresses")
    return tuple(str(parse_address(text)) for text in texts)


def _format_addresses(addresses: tuple[str, ...]) -> str | list[str]:
    return addresses[0] if len(addresses) == 1 else list(addresses)


def _split_command(value: object) -> object:
    """Return a command's words. A list stays as it is; a string is split as a shell would, but no shell runs."""
    words = shlex.split(value) if isinstance(value, str) else value
    return tuple(words) if isinstance(words, list) else words


def _read_environment(value: object) -> object:
    """Upper-case the names and expand ``$VAR`` in the values, as RoadRunner does. A list of tables is merged."""
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
