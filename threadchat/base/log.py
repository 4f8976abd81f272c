"""
Logging with structlog: for people on a terminal, as JSON lines everywhere else.

In systemd's journal a line has the priority of its level. It has no time, because the journal adds its own. Sources:
sd-daemon(3), ``JOURNAL_STREAM`` in systemd.exec(5).
"""

from __future__ import annotations

import faulthandler
import logging
import os
import sys
import threading
from collections.abc import Sequence
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from threadchat.base.log_sink import LogSink

Log = structlog.typing.FilteringBoundLogger

#: Syslog's number for each level.
_PRIORITIES = {"critical": 2, "error": 3, "warning": 4, "info": 6, "debug": 7}


def set_up_log(debug: bool = False) -> Log:
    """Configure structlog to write to standard error, and return the logger to pass around."""
    _occupy_standard_descriptors()
    stderr = None if sys.__stderr__ is None else 2  # None: it was closed when this program started
    processors = _processors(stderr)

    def report(count: int) -> str:
        event: Any = {"event": "log_lines_lost", "count": count}
        for process in processors:
            event = process(None, "warning", event)
        return str(event)

    sink = LogSink(stderr, report)
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if debug else logging.INFO),
        logger_factory=lambda *_: sink,
        cache_logger_on_first_use=True,
    )
    log: Log = structlog.get_logger()
    return log


def log_uncaught(log: Log) -> None:
    """
    Log what nothing catches: exceptions of the main thread, of other threads and of destructors, and crashes.

    Python itself would write them to standard error, and wait there until somebody reads them.
    """

    def crashed(kind: Any, problem: Any, traceback: Any) -> None:
        log.critical("crashed", exc_info=(kind, problem, traceback))

    def thread_failed(what: threading.ExceptHookArgs) -> None:
        if what.exc_type is not SystemExit:
            name = what.thread.name if what.thread else None
            log.error("thread_failed", thread=name, exc_info=(what.exc_type, what.exc_value, what.exc_traceback))

    def unraisable(what: Any) -> None:
        log.error("unraisable", where=repr(what.object), exc_info=(what.exc_type, what.exc_value, what.exc_traceback))

    sys.excepthook, threading.excepthook, sys.unraisablehook = crashed, thread_failed, unraisable
    if (sink := _sink()) and (fd := sink.fileno()) is not None:
        faulthandler.enable(fd)  # a traceback of every thread when the watchdog ends this process


def lost_lines() -> int:
    """Return how many lines could not be written, and are not reported in the log yet."""
    sink = _sink()
    return sink.lost if sink else 0


def _sink() -> LogSink | None:
    sink = structlog.get_config()["logger_factory"]()
    return sink if isinstance(sink, LogSink) else None


def _occupy_standard_descriptors() -> None:
    """Open those of the first three descriptors that are closed. Else the next file or socket would get that number."""
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # it gets the lowest free number: fd


def _processors(stderr: int | None) -> list[Processor]:
    if stderr is not None and os.isatty(stderr):
        return [
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
            _readable,
            structlog.dev.ConsoleRenderer(colors=not os.environ.get("NO_COLOR")),
        ]
    common: list[Processor] = [structlog.processors.add_log_level, structlog.processors.format_exc_info]
    if stderr is not None and _is_journal(stderr):
        return [*common, structlog.processors.JSONRenderer(), _prioritize]
    return [*common, structlog.processors.TimeStamper(fmt="iso", utc=True), structlog.processors.JSONRenderer()]


def _is_journal(fd: int) -> bool:
    status = os.fstat(fd)
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def _prioritize(logger: WrappedLogger, level: str, line: Any) -> str:
    return f"<{_PRIORITIES[level]}>{line}"


def _readable(logger: WrappedLogger, level: str, event: EventDict) -> EventDict:
    """Show lists as people write them, and escape what would drive the terminal."""
    for key, value in event.items():
        text = value
        if isinstance(value, Sequence) and not isinstance(value, str | bytes) and key != "exc_info":
            text = "; ".join(map(str, value))
        if isinstance(text, str) and not text.isprintable():  # structlog itself takes care of line ends
            text = "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)
        event[key] = text
    return event
