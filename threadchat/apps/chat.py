"""
The chat app: one connection's bytes to its session's lines, through telnet, framing and flood control.

Each stage is a pure object; this is where they meet the connection and its clock.
"""

from __future__ import annotations

import re
import time

from threadchat.chat.hub import Hub
from threadchat.chat.session import Session
from threadchat.config import Server
from threadchat.errors import CloseReason
from threadchat.limits import TokenBucket
from threadchat.net.connection import Connection
from threadchat.net.handler import App
from threadchat.wire.lines import LineDecoder, Overlong
from threadchat.wire.telnet import TelnetFilter
from threadchat.wire.text import decode

#: The first bytes of a program that has come to the wrong port.
_HTTP = re.compile(rb"[A-Z]{3,8} \S+ HTTP/\d")
_TLS_CLIENT_HELLO = b"\x16\x03"  # RFC 8446, section 5.1


class ChatApp(App):
    """One person (or program) in the chat."""

    def __init__(self, connection: Connection, hub: Hub, server: Server) -> None:
        limits = server.limits
        self._connection = connection
        self._welcome = server.welcome
        self._telnet = TelnetFilter()
        self._decoder = LineDecoder(limits.max_line_bytes)
        self._flood = TokenBucket(limits.flood_lines_per_second, limits.flood_burst_lines, time.monotonic)
        self._session = Session(hub, connection.send, self._quit, server.ask_name)
        self._heard = False
        self.lines_in: int = 0

    @property
    def patience(self) -> float | None:  # type: ignore[override]
        """As long as an unfinished line may be quiet before it counts as one."""
        return self._decoder.patience

    def connected(self) -> None:
        """Greet."""
        self._session.greet(self._welcome)

    def received(self, data: bytes) -> None:
        """Take what was read: telnet out, lines out, and on to the session."""
        if not self._heard:
            self._heard = True
            if problem := _wrong_protocol(data):
                self.notify(problem)
                self._connection.end(CloseReason.PROTOCOL)
                return
        text, answers = self._telnet.feed(data)
        if self._telnet.active:
            self._session.member.crlf = True
            if answers:
                self._connection.send(answers)
        feed = self._decoder.feed(text)
        self._speak(feed.lines)
        if feed.overlong is not Overlong.NO:
            self._complain(feed.overlong)

    def quiet(self) -> None:
        """Take an unfinished line for a whole one."""
        self._speak(self._decoder.flush())

    def closed(self, reason: CloseReason) -> None:
        """Say what was left unfinished, if the peer ended properly, and leave."""
        if reason is CloseReason.EOF:
            self._session.receive(self._lines(self._decoder.flush()))  # nothing is left to be slowed down
        self._session.leave()

    def notify(self, text: str) -> None:
        """Send a line of the server's own."""
        self._session.member.notice(text)

    def _speak(self, data: bytes) -> None:
        """Pass *data*, whole lines, to the session, no faster than flood control lets it."""
        lines = self._lines(data)
        while lines:
            allowed = self._flood.take(len(lines))
            if allowed:
                self._session.receive(lines[:allowed])
                lines = lines[allowed:]
            if lines:
                # Not reading is all it takes: TCP slows the talker down.
                self._connection.sleep(self._flood.wait())
                if self._connection.reason is not None:
                    return

    def _lines(self, data: bytes) -> list[str]:
        """Return *data*, whole lines, as text, counted."""
        if not data:
            return []
        lines = decode(data).split("\n")[:-1]
        self.lines_in += len(lines)
        return lines

    def _complain(self, overlong: Overlong) -> None:
        limit = self._decoder.max_line_bytes
        if overlong is Overlong.ENDLESS:
            self.notify(f"Goodbye: a line has at most {limit} bytes, and yours does not end.")
            self._connection.end(CloseReason.PROTOCOL)
        else:
            self.notify(f"That line was not said: it is longer than {limit} bytes.")

    def _quit(self) -> None:
        self._connection.end(CloseReason.QUIT)


def _wrong_protocol(data: bytes) -> str | None:
    if _HTTP.match(data):
        return "This is a chat room, not a web server: come with telnet, nc or threadchat-client."
    if data.startswith(_TLS_CLIENT_HELLO):
        return "This port speaks plain text, not TLS: come without it."
    return None
