"""
A listener: accepts connections and gives each a thread of its own.

This is socketserver.ThreadingTCPServer with its defaults put right: a real backlog, daemon threads and a
set of our own to drain (``block_on_close`` hangs on idle clients), address reuse, and an accept that does
not spin when no descriptor is free.

``serve_forever`` runs in the thread ``accept-NAME``; ``start`` and ``stop`` are for the main thread.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import socketserver
import threading
import time
from collections.abc import Callable
from typing import Any

from threadchat.base.heartbeat import Heartbeat
from threadchat.base.limits import AddressCounter, AddressPacer
from threadchat.base.log import Log
from threadchat.config.sections import Limits
from threadchat.net.connection import Connection
from threadchat.net.connection_set import ConnectionSet
from threadchat.net.flusher import Flusher
from threadchat.net.handler import App, resume, serve
from threadchat.net.handover import Handover, Kept, Stored
from threadchat.net.listen import describe_peer, local_address, notice_vanished, stop_listening
from threadchat.net.slots import Slot

#: A thread's stack: 10,000 of them at the usual 8 MiB would not fit into the address space of small machines.
STACK_BYTES = 256 * 1024

#: How often an accept loop looks whether it is to stop, in seconds. To stop one listener can take as long as that.
STOP_CHECK_SECONDS = 0.1

#: After so many connections, the accept loop looks again whether it is to stop.
_MAX_ACCEPTED_AT_ONCE = 100

_OUT_OF_RESOURCES = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
_BACK_OFF_SECONDS = 0.2

#: How long a refused connection is kept open, so that its peer can read why, in seconds; and how many are, at most.
_REFUSED_SECONDS = 2.0
_MAX_REFUSED = 256


class AppServer(socketserver.ThreadingTCPServer):
    """One listening socket. Several may share a name; they then also share the app, limits and connections."""

    #: The family of the socket that socketserver makes and we throw away. A hardened service may use no other.
    address_family = socket.AF_UNIX
    daemon_threads = True
    block_on_close = False

    def __init__(
        self,
        name: str,
        listener: socket.socket,
        limits: Limits,
        connections: ConnectionSet,
        addresses: AddressCounter,
        make_app: Callable[[Connection], App],
        flusher: Flusher,
        log: Log,
        *,
        inherited: bool = False,
        handover: Handover | None = None,
        heartbeat: Heartbeat | None = None,
        pacer: AddressPacer | None = None,
    ) -> None:
        """An *inherited* listener's path, if it has one, is not ours to remove."""
        super().__init__(("", 0), socketserver.BaseRequestHandler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.name = name
        self._connections = connections
        self._addresses = addresses
        self._pacer = pacer
        self.limits = limits
        self._make_app = make_app
        self._flusher = flusher
        self._log = log.bind(server=name)
        self.inherited = inherited
        self._handover = handover
        self._heartbeat = heartbeat or Heartbeat(f"accept-{name}")
        self._restored: list[tuple[Connection, App]] = []
        self._refused = 0  # how many are kept open; no lock guards it, so it may be off by a few
        self._backing_off = False
        self._pausing = threading.Event()
        self._thread = threading.Thread(
            target=self.serve_forever, args=(STOP_CHECK_SECONDS,), name=f"accept-{name}", daemon=True
        )

    @property
    def limits(self) -> Limits:
        """The limits for connections that come from now on. May be replaced."""
        return self._limits

    @limits.setter
    def limits(self, limits: Limits) -> None:
        self._limits = limits
        notice_vanished(self.socket, limits)

    def restore(self, stored: Stored, kept: Kept) -> None:
        """Restore a connection that a predecessor has left. :meth:`resume` then goes on with it."""
        connection = self._connection(stored.socket, None, stored.slot)
        app = self._make_app(connection)
        connection.restore(stored, kept, app.state)
        app.restore(stored.state["app"], stored.intact, stored.planned)
        if stored.unsent == b"":
            app.missed()
            kept.caught_up()
        notice_vanished(stored.socket, self.limits)
        self._addresses.adopt(connection.address)
        self._connections.adopt(connection, stored.number)
        self._restored.append((connection, app))

    def resume(self) -> None:
        """Give the restored connections their threads."""
        for connection, app in self._restored:
            self._start_thread(connection, self._resume, connection, app)
        self._restored.clear()

    def start(self) -> None:
        """Begin to accept."""
        self._thread.start()
        self._log.info("listening", address=str(local_address(self.socket)))

    def stop(self) -> None:
        """Accept no more, and close the listening socket."""
        self.pause()
        if self.inherited:
            self.socket.close()
        else:
            stop_listening(self.socket)

    def pause(self) -> None:
        """Accept no more, but go on listening: new connections wait for a successor. Accepted ones are served."""
        self._pausing.set()
        self._connections.close()
        if self._thread.ident is not None:
            self.shutdown()
            self._thread.join()

    # socketserver's hooks, in the order they are called, in the accept thread ---------------------

    def service_actions(self) -> None:
        """Accept the others that wait, without asking the selector about each. Called after every turn of the loop."""
        self._heartbeat.beat()
        for _ in range(_MAX_ACCEPTED_AT_ONCE):
            try:
                request, address = self.get_request()
            except OSError:
                return
            self.process_request(request, address)

    def get_request(self) -> tuple[Any, Any]:
        """Accept one connection. If a full server is to let newcomers wait, wait for a place first."""
        if self._pausing.is_set():
            raise OSError("pausing")  # socketserver then looks whether it is to stop
        waits = self.limits.when_full == "wait"
        if waits:
            self._heartbeat.rest()
            reserved = self._connections.reserve(wait=True)
            self._heartbeat.beat()
            if not reserved:
                raise OSError("closing")
        try:
            sock, address = self.socket.accept()
        except OSError as problem:
            if waits:
                self._connections.release()
            if problem.errno in _OUT_OF_RESOURCES:
                self._back_off(problem)
            raise
        if self._backing_off:
            self._backing_off = False
            self._log.info("accept_recovered")
        return sock, address

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Reject nothing here: every accepted connection is either served or told why not."""
        return True

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start the connection's thread, unless a limit says no."""
        sock: socket.socket = request
        limits = self.limits
        if limits.when_full == "refuse" and not self._connections.reserve(wait=False):
            self._refuse(sock, f"The server is full (connections: {limits.max_connections}). Please try later.")
            return
        address, _ = describe_peer(client_address)
        if not self._addresses.acquire(address):
            self._connections.release()
            count = limits.max_connections_per_address
            self._refuse(sock, f"There are {count} connections from your address already. Please close one.")
            return
        wait = self._pacer.admit(address) if self._pacer else 0.0
        if wait is None:
            self._addresses.release(address)
            self._connections.release()
            self._refuse(sock, "Too many connections have come from your address. Please wait a minute.")
            return
        slot = self._handover.slots.take() if self._handover else None
        connection = self._connection(sock, client_address, slot)
        self._connections.add(connection)  # this also numbers it
        try:
            if wait:
                self._start_thread(connection, self._serve_later, connection, wait)
            else:
                self._start_thread(connection, self._serve, connection)
        except RuntimeError as problem:  # no more threads
            self._log.warning("thread_refused", problem=str(problem))
            self._refuse(sock, "The server has no thread left for you. Please try later.")
            self._forget(connection)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection that could not be processed. Served ones close themselves."""
        request.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log what went wrong between accepting a connection and serving it."""
        self._log.exception("accept_failed")

    # ----------------------------------------------------------------------------------------------

    def _connection(self, sock: socket.socket, address: object, slot: Slot | None) -> Connection:
        limits = self.limits
        return Connection(sock, address, self.name, self._flusher, limits.send_queue_bytes, limits.send_timeout, slot)

    def _start_thread(self, connection: Connection, target: Callable[..., None], *arguments: object) -> None:
        name = f"conn-{self.name}-{connection.number}"
        threading.Thread(target=target, args=arguments, name=name, daemon=True).start()

    def _serve(self, connection: Connection) -> None:
        try:
            serve(connection, self._make_app, self.limits.idle_timeout, self._log, self._handover)
        finally:
            self._forget(connection)

    def _serve_later(self, connection: Connection, seconds: float) -> None:
        """Serve a connection after a wait in its own thread: many come from its network. A pause ends the wait."""
        self._log.info("connection_slowed", connection=connection.number, peer=connection.peer, seconds=seconds)
        self._pausing.wait(seconds)
        self._serve(connection)

    def _resume(self, connection: Connection, app: App) -> None:
        try:
            resume(connection, app, self.limits.idle_timeout, self._log)
        finally:
            self._forget(connection)

    def _forget(self, connection: Connection) -> None:
        self._addresses.release(connection.address)
        self._connections.discard(connection)

    def _refuse(self, sock: socket.socket, text: str) -> None:
        """Tell the peer why it is not served. Its socket is closed a little later, so that it can read the reason."""
        self._log.info("connection_refused", text=text)
        with contextlib.suppress(OSError):
            sock.send(f"* {text}\n".encode(), socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
            sock.shutdown(socket.SHUT_WR)
        if self._refused >= _MAX_REFUSED:
            sock.close()
            return
        self._refused += 1

        def close() -> None:
            self._refused -= 1
            sock.close()

        self._flusher.later(_REFUSED_SECONDS, close)

    def _back_off(self, problem: OSError) -> None:
        """Wait a little for a descriptor to become free; the next connection waits in the backlog."""
        if not self._backing_off:
            self._backing_off = True
            self._log.warning("accept_backing_off", problem=problem.strerror)
        time.sleep(_BACK_OFF_SECONDS)
