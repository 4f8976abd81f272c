"""What a connection's own thread does with an app that writes down what happens to it."""

from __future__ import annotations

import select
import threading
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

import pytest

from tests.fakes import recording_log
from tests.net.sockets import Ends, connected, running_flusher
from threadchat.base.errors import CloseReason
from threadchat.net import blocking
from threadchat.net.connection import Connection
from threadchat.net.handler import App, serve


class Diary(App):
    """An app that notes each of its calls, and fails in the one called ``fails_in``."""

    def __init__(self, connection: Connection, fails_in: str = "") -> None:
        self.connection = connection
        self.notes: list[object] = []
        self._fails_in = fails_in
        self._thread = threading.current_thread()

    def connected(self) -> None:
        """Note it."""
        self._note("connected")

    def received(self, data: bytes) -> None:
        """Note it, with the data."""
        self._note("received", data)
        if data == b"quit":
            self.connection.end(CloseReason.QUIT)

    def quiet(self) -> None:
        """Note it, once."""
        self.patience = None
        self._note("quiet")

    def closed(self, reason: CloseReason) -> None:
        """Note it, with the reason."""
        self._note("closed", reason)

    def notify(self, text: str) -> None:
        """Pass *text* on."""
        self.connection.send(text.encode())

    def _note(self, what: str, *more: object) -> None:
        assert threading.current_thread() is self._thread
        self.notes.append((what, *more) if more else what)
        if what == self._fails_in:
            raise RuntimeError(f"a bug in {what}")


class Served:
    """A connection that is served in this very thread, its app's diary, and the log of it."""

    def __init__(self, ends: Ends) -> None:
        self._ends = ends
        self.log: list[MutableMapping[str, Any]] = []
        self.app: Diary | None = None

    def __call__(self, make_app: Callable[[Connection], Diary] = Diary, idle_timeout: float = 0.0) -> list[object]:
        """Serve until the end; return what the app noted."""

        def make_and_keep(connection: Connection) -> App:
            self.app = make_app(connection)
            return self.app

        log, self.log = recording_log()
        serve(self._ends.connection, make_and_keep, idle_timeout, log)
        return self.app.notes if self.app else []

    def events(self) -> list[str]:
        """Return the names of what was logged."""
        return [entry["event"] for entry in self.log]


@pytest.fixture
def ends() -> Iterator[Ends]:
    """A connection."""
    with running_flusher() as flusher, connected(flusher) as ends:
        yield ends


@pytest.fixture
def served(ends: Ends) -> Served:
    """That connection, to be served."""
    return Served(ends)


def test_an_app_is_connected_then_fed_then_closed(ends: Ends, served: Served) -> None:
    """In its own thread, with the reason; and the peer gets the end of the stream."""
    ends.peer.sendall(b"hello")
    ends.peer.shutdown(1)
    assert served() == ["connected", ("received", b"hello"), ("closed", CloseReason.EOF)]
    assert ends.peer_reads_all() == b""


def test_the_end_is_logged_once_with_what_there_is_to_know(ends: Ends, served: Served) -> None:
    """One event for the beginning, one for the end."""
    ends.peer.sendall(b"hello")
    ends.peer.shutdown(1)
    served()
    opened, closed = served.log
    assert opened["event"] == "connection_opened"
    assert closed["event"] == "connection_closed"
    assert (closed["reason"], closed["bytes_in"], closed["bytes_out"]) == ("eof", 5, 0)
    assert closed["seconds"] >= 0
    assert closed["connection"] == opened["connection"]
    assert "lines_in" not in closed


def test_lines_are_logged_where_they_mean_something(ends: Ends, served: Served) -> None:
    """The app counts them."""

    def make(connection: Connection) -> Diary:
        app = Diary(connection)
        app.lines_in = 7
        return app

    ends.peer.close()
    served(make)
    assert served.log[-1]["lines_in"] == 7


def test_an_app_may_end_its_connection(ends: Ends, served: Served) -> None:
    """Nothing more is read; what it has sent arrives."""
    ends.peer.sendall(b"quit")
    ends.peer.shutdown(1)
    assert served() == ["connected", ("received", b"quit"), ("closed", CloseReason.QUIT)]


def test_silence_is_told_to_an_app_with_patience(ends: Ends, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have had unfinished data; afterwards it is idle time that counts."""
    monkeypatch.setattr(blocking, "LINGER_SECONDS", 0.0)  # the peer does not hang up

    def make(connection: Connection) -> Diary:
        app = Diary(connection)
        app.patience = 0.001
        return app

    assert served(make, idle_timeout=0.002) == ["connected", "quiet", ("closed", CloseReason.IDLE)]
    assert ends.peer_reads_all() == b"Nothing heard from you for too long. Goodbye!"


def test_who_is_shut_down_is_told(ends: Ends, served: Served) -> None:
    """Before the app hears of the end."""
    ends.connection.close(CloseReason.SHUTDOWN)
    ends.peer.shutdown(1)
    assert served()[-1] == ("closed", CloseReason.SHUTDOWN)
    assert ends.peer_reads_all() == b"The server is shutting down. Goodbye!"


@pytest.mark.parametrize("where", ["connected", "received", "quiet"])
def test_a_bug_in_an_app_ends_that_one_connection(ends: Ends, served: Served, where: str) -> None:
    """It is logged with its traceback, the app is closed exactly once and last, and the peer is told."""

    def make(connection: Connection) -> Diary:
        app = Diary(connection, fails_in=where)
        app.patience = 0.001
        return app

    if where == "received":
        ends.peer.sendall(b"hello")
    notes = served(make)
    assert notes[-1] == ("closed", CloseReason.ERROR)
    assert [note for note in notes if note[0] == "closed"] == notes[-1:]  # type: ignore[index]
    assert served.events() == ["connection_opened", "connection_failed", "connection_closed"]
    assert served.log[1]["exc_info"]
    assert served.log[2]["reason"] == "internal error"
    assert ends.peer_reads_all() == b"Something went wrong here, and has been logged. Goodbye!"


def test_what_an_app_says_first_goes_out_when_it_is_connected(ends: Ends, served: Served) -> None:
    """Whoever has been greeted has arrived."""

    class Greeter(Diary):
        def connected(self) -> None:
            self.connection.send(b"Hello!")
            self._note("connected")
            self.notes.append(bool(select.select([ends.peer], [], [], 0)[0]))

    ends.peer.shutdown(1)
    assert served(Greeter) == ["connected", False, ("closed", CloseReason.EOF)]
    assert ends.peer_reads_all() == b"Hello!"


def test_a_bug_at_the_end_is_logged_and_the_descriptor_closed(ends: Ends, served: Served) -> None:
    """The reason stays what it was."""
    ends.peer.shutdown(1)
    notes = served(lambda connection: Diary(connection, fails_in="closed"))
    assert notes == ["connected", ("closed", CloseReason.EOF)]
    assert served.events() == ["connection_opened", "connection_failed", "connection_closed"]
    assert served.log[-1]["reason"] == "eof"
    assert ends.peer_reads_all() == b""


def test_an_app_that_cannot_be_made_ends_the_connection(ends: Ends, served: Served) -> None:
    """There is nothing to close then but the connection."""

    def fail(connection: Connection) -> Diary:
        raise RuntimeError("a bug in the factory")

    assert served(fail) == []
    assert served.events() == ["connection_opened", "connection_failed", "connection_closed"]
    assert ends.peer_reads_all() == b""


def test_an_app_of_its_own_has_nothing_to_say() -> None:
    """The base class may be closed and notified; only receiving is each app's own business."""
    app = App()
    app.connected()
    app.quiet()
    app.notify("hello")
    app.closed(CloseReason.EOF)
    with pytest.raises(NotImplementedError):
        app.received(b"hello")
