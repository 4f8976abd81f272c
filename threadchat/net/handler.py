"""
What a connection's own thread does: read, pass on to its app, and see the end through.

An app is what one connection talks to. It is made for that connection and called by that connection's
thread only, so it needs no lock of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from threadchat.errors import CloseReason
from threadchat.log import Log
from threadchat.net.connection import Connection

#: What a person is told when a connection ends for a reason that is not theirs to know.
_FAREWELLS = {
    CloseReason.SHUTDOWN: "The server is shutting down. Goodbye!",
    CloseReason.IDLE: "Nothing heard from you for too long. Goodbye!",
    CloseReason.ERROR: "Something went wrong here, and has been logged. Goodbye!",
}


class App:
    """One connection's side of an application. All methods but :meth:`notify` are for its own thread."""

    #: Seconds of silence after which :meth:`quiet` is called; None: never.
    patience: float | None = None
    #: Lines taken from the peer, for the log; None where lines mean nothing.
    lines_in: int | None = None

    def connected(self) -> None:
        """The connection is open."""

    def received(self, data: bytes) -> None:
        """Bytes have come, as they were read."""
        raise NotImplementedError

    def quiet(self) -> None:
        """Nothing has come for ``patience`` seconds."""

    def closed(self, reason: CloseReason) -> None:
        """The connection is ending: called once, last. What is sent now may still arrive."""

    def notify(self, text: str) -> None:
        """Tell the person at the other end, if this app talks to people, one line about the connection."""


def serve(connection: Connection, make_app: Callable[[Connection], App], idle_timeout: float, log: Log) -> None:
    """Serve *connection* with an app of its own until it ends; *idle_timeout* is in seconds, 0 for none."""
    log.info("connection_opened", connection=connection.number, peer=connection.peer)
    app = App()
    try:
        app = make_app(connection)
        try:
            app.connected()
            _read(connection, app, idle_timeout or None)
        finally:
            reason = connection.reason or CloseReason.ERROR
            if reason in _FAREWELLS:
                app.notify(_FAREWELLS[reason])
            app.closed(reason)
    except Exception:
        connection.end(CloseReason.ERROR)
        log.exception("connection_failed", connection=connection.number, peer=connection.peer)
    finally:
        connection.finish()
        log.info(
            "connection_closed",
            connection=connection.number,
            peer=connection.peer,
            reason=(connection.reason or CloseReason.ERROR).value,
            seconds=round(time.monotonic() - connection.opened_at, 3),
            bytes_in=connection.bytes_in,
            bytes_out=connection.bytes_out,
            **({} if app.lines_in is None else {"lines_in": app.lines_in}),
        )


def _read(connection: Connection, app: App, idle_timeout: float | None) -> None:
    while connection.reason is None:
        patience = app.patience
        data = connection.read(idle_timeout if patience is None else patience)
        if data:
            app.received(data)
        elif data is None and patience is not None:
            app.quiet()
        elif data is None:
            connection.end(CloseReason.IDLE)
