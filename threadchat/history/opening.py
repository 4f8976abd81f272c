"""Makes the history that the configuration asks for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from threadchat.base.log import Log
from threadchat.chat.history import History
from threadchat.config import sections
from threadchat.history.memory import MemoryHistory
from threadchat.history.selecting import Bounds
from threadchat.history.sqlite import SqliteHistory


def state_directory(config: sections.History, environ: Mapping[str, str]) -> Path | None:
    """Return where history is kept: as configured, or in systemd's state directory; None: in memory only."""
    # systemd separates several directories with colons. The first is the one that the unit file names first.
    text = config.state or environ.get("STATE_DIRECTORY", "").split(":")[0]
    return Path(text) if text else None


def open_history(config: sections.History, environ: Mapping[str, str], log: Log) -> History:
    """Return the history to use. The caller closes it. Raises ConfigError."""
    bounds = Bounds(config.lines, config.age)
    if directory := state_directory(config, environ):
        return SqliteHistory(directory, log, bounds, config.durability)
    return MemoryHistory(bounds)
