"""The literal reading of "a thread per connection writes to a lock-guarded set": socketserver and `sendall`.

    python naive.py PORT {chat,echo}

The library's defaults are kept, except for what the measurement needs: a listen backlog for many arrivals at once,
daemon threads, a port that can be used again at once, and, for chat, no Nagle algorithm.
"""

from __future__ import annotations

import socket
import socketserver
import sys
import threading

members: set[socket.socket] = set()
members_lock = threading.Lock()


class ChatHandler(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True

    def handle(self) -> None:
        with members_lock:
            members.add(self.connection)
            self.connection.sendall(b"* hi\n")
        try:
            for line in self.rfile:
                self.tell_the_others(line)
        finally:
            with members_lock:
                members.discard(self.connection)

    def tell_the_others(self, line: bytes) -> None:
        with members_lock:
            for member in members:
                if member is not self.connection:
                    member.sendall(line)


class EchoHandler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while data := self.request.recv(65536):
            self.request.sendall(data)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 4096

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that has gone away is no news."""


if __name__ == "__main__":
    handler = ChatHandler if sys.argv[2] == "chat" else EchoHandler
    with Server(("127.0.0.1", int(sys.argv[1])), handler) as server:
        server.serve_forever()
