"""Logging: structlog, for people on a terminal, as JSON lines everywhere else."""

from __future__ import annotations

import logging
import sys

import structlog

Log = structlog.typing.FilteringBoundLogger


def set_up_log(debug: bool = False) -> Log:
    """Configure structlog to write to standard error, and return the logger to pass around."""
    terminal = sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S" if terminal else "iso", utc=not terminal),
            *(
                [structlog.dev.ConsoleRenderer()]
                if terminal
                else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
            ),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if debug else logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    log: Log = structlog.get_logger()
    return log
