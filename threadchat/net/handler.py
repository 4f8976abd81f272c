"""
What a connection's own thread does: it reads, passes the bytes on to its app, and ends the connection properly.

An app is what one connection talks to. It is made for that connection, and needs no lock of its own: no two threads
call its methods at the same time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from threadchat.base.errors import CloseReason
from threadchat.base.log import Log
from threadchat.net.connection import Connection
from threadchat.net.handover import Handover

#: What a person is told when the connection ends for one of these reasons.
_FAREWELLS = {
    CloseReason.SHUTDOWN: "The server is shutting down. Goodbye!",
    CloseReason.IDLE: "Nothing heard from you for too long. Goodbye!",
    CloseReason.ERROR: "Something went wrong here, and has been logged. Goodbye!",
}


class App:
    """One connection's side of an application. The connection's own thread calls it, where nothing else is said."""

    __slots__ = ()  # there is one for each of thousands of connections

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
        """The connection is ending. This is called once, as the last method. What is sent now may still arrive."""

    def state(self) -> dict[str, Any] | None:
        """
        Return what a successor needs to go on, as values for JSON; None if it cannot go on.

        Another thread may call this while the connection is parked.
        """
        return None

    def restore(self, state: dict[str, Any], intact: bool, planned: bool = True) -> None:
        """
        Become the app that *state* is from. Called by any thread, before any connection is read.

        It takes the place of :meth:`connected`. Unless *intact*, bytes that were read after *state* was saved are lost.
        Unless *planned*, the predecessor has crashed: what it has sent after *state* was saved is not known.
        """

    def missed(self) -> None:
        """Bytes to the peer have been lost with a predecessor. Called after :meth:`restore`, by the same thread."""

    def resumed(self) -> None:
        """Go on: after :meth:`restore`, in the connection's own thread."""

    def notify(self, text: str) -> None:
        """Tell the person at the other end one line about the connection, if this app talks to people."""


def serve(
    connection: Connection,
    make_app: Callable[[Connection], App],
    idle_timeout: float,
    log: Log,
    handover: Handover | None = None,
) -> None:
    """
    Serve *connection* with an app of its own until it ends; *idle_timeout* is in seconds, 0 for none.

    With a *handover*, the connection is kept beyond the end of this process, if a successor can go on with its app.
    """
    log.info("connection_opened", connection=connection.number, peer=connection.peer)

    def begin(app: App) -> None:
        connection.cork()  # holds the greeting back until the connection is kept, and so outlives a crash
        try:
            app.connected()
            connection.keep(handover, app.state)
        finally:
            connection.flush()

    _serve(connection, lambda: make_app(connection), begin, idle_timeout, log)


def resume(connection: Connection, app: App, idle_timeout: float, log: Log) -> None:
    """Go on serving a restored *connection* with its restored *app*."""
    _serve(connection, lambda: app, lambda app: app.resumed(), idle_timeout, log)


def _serve(
    connection: Connection,
    get_app: Callable[[], App],
    begin: Callable[[App], None],
    idle_timeout: float,
    log: Log,
) -> None:
    app = App()
    try:
        app = get_app()
        try:
            begin(app)
            _read(connection, app, idle_timeout or None)
        except BaseException:
            connection.end(CloseReason.ERROR)
            raise
        finally:
            _leave(connection, app)
    except Exception:
        connection.end(CloseReason.ERROR)
        log.exception("connection_failed", connection=connection.number, peer=connection.peer)
    finally:
        _finish(connection, app, log)


def _leave(connection: Connection, app: App) -> None:
    """See the app through its end."""
    reason = connection.reason or CloseReason.ERROR
    if reason in _FAREWELLS:
        app.notify(_FAREWELLS[reason])
    app.closed(reason)


def _finish(connection: Connection, app: App, log: Log) -> None:
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
        elif connection.reason is not None:
            return
        elif data is None and patience is not None:
            app.quiet()
        elif data is None:
            connection.end(CloseReason.IDLE)
