"""
The chat app turns one connection's bytes into its session's lines: telnet, then framing, then flood control.

Each stage is a pure object. This module joins the stages to the connection and its clock.
"""

from __future__ import annotations

import time
from typing import Any

from threadchat.base.errors import CloseReason
from threadchat.base.limits import TokenBucket
from threadchat.chat.hub import Hub
from threadchat.chat.session import Session, up_to_command
from threadchat.config.sections import Server
from threadchat.net.connection import Connection
from threadchat.net.handler import App
from threadchat.wire.lines import LineDecoder, Overlong
from threadchat.wire.probes import UNCLEAR_SECONDS, Verdict, judge
from threadchat.wire.telnet import TelnetFilter
from threadchat.wire.text import decode

_CTRL_C = b"\x03"


class ChatApp(App):
    """One person (or program) in the chat."""

    __slots__ = (
        "_connection",
        "_decoder",
        "_first",
        "_flood",
        "_heard",
        "_held",
        "_session",
        "_settled",
        "_telnet",
        "_welcome",
        "lines_in",
    )

    def __init__(self, connection: Connection, hub: Hub, server: Server) -> None:
        limits = server.limits
        self._connection = connection
        self._welcome = server.welcome
        self._telnet = TelnetFilter()
        self._decoder = LineDecoder(limits.max_line_bytes)
        self._flood = TokenBucket(limits.flood_lines_per_second, limits.flood_burst_lines, time.monotonic)
        self._session = Session(hub, connection, self._quit, server.ask_name)
        self._heard = False  # whether what has come is known to be text
        self._first: list[bytes] = []  # the first reads, until it is known whether they are text
        self._settled = False  # whether the decoder was settled when it was last saved
        self._held: list[str] = []  # lines from the peer that flood control holds back
        self.lines_in: int = 0

    @property
    def patience(self) -> float | None:  # type: ignore[override]
        """Seconds of silence after which an unfinished line counts as whole, or unclear first bytes as text."""
        return UNCLEAR_SECONDS if self._first else self._decoder.patience

    def connected(self) -> None:
        """Greet."""
        self._session.greet(self._welcome)

    def received(self, data: bytes) -> None:
        """Take what was read: remove telnet, make lines, and pass them to the session."""
        if not self._heard:
            self._judge(data)
            return
        text, answers = self._telnet.feed(data)
        if answers:
            self._connection.send(answers)
        if self._telnet.active and not self._session.member.format.crlf:
            self._session.choose(crlf=True)
        feed = self._decoder.feed(text)
        settled = self._decoder.settled
        if not settled or not self._settled or text is not data:
            # Save before anything is said. After a crash, lines may be missing, but two halves never become one line.
            self._settled = settled
            self.save()
            if _CTRL_C in text:
                self._session.interrupt()
        self._speak(feed.lines)
        if feed.overlong is not Overlong.NO:
            self._complain(feed.overlong)

    def quiet(self) -> None:
        """Take an unfinished line for a whole one, or unclear first bytes for text."""
        if self._first:
            self._accept_first()
            return
        line = self._decoder.flush()
        self.save()
        self._speak(line)

    def closed(self, reason: CloseReason) -> None:
        """Leave. If the peer ended properly, say its unfinished line first."""
        if reason is CloseReason.EOF:
            self._accept_first()
            self._session.receive(self._lines(self._decoder.flush()))  # no flood control: nothing more can come
        self._session.leave()

    def state(self) -> dict[str, Any]:
        """Return everything about this person."""
        return {
            "heard": self._heard,
            "first": [data.decode("latin-1") for data in self._first],
            "lines_in": self.lines_in,
            "held": self._held,
            "telnet": self._telnet.state(),
            "decoder": self._decoder.state(),
            "session": self._session.state(),
        }

    def restore(self, state: dict[str, Any], intact: bool, planned: bool = True) -> None:
        """Be the person of *state* again, in the room they were in."""
        if not planned:  # how far they had got in the history by then is not known
            state["session"]["behind"] = None
        self._heard = state["heard"]
        self._first = [data.encode("latin-1") for data in state.get("first", ())]  # older versions had none
        self.lines_in = state["lines_in"]
        self._held = state["held"]
        self._telnet.restore(state["telnet"])
        self._decoder.restore(state["decoder"])
        self._session.restore(state["session"])
        self._session.choose(crlf=self._telnet.active)
        if not intact:
            self._heard, self._first = True, []
            self._telnet.resynchronize()
            self._decoder.flush()

    def missed(self) -> None:
        """Say that lines may be missing. The last line sent may be only a half, so end it first."""
        self._connection.send(b"\n")
        self.notify("Some lines may be missing here.")

    def resumed(self) -> None:
        """Go on reading what the room has said meanwhile, and say the lines that were held back."""
        self._session.resume()
        self._say_held(saved=True)
        if self._heard:
            self._accept_first()

    def save(self) -> None:
        """Save everything about this person where a successor finds it."""
        if self._connection.kept:
            self._connection.save()

    def notify(self, text: str) -> None:
        """Send a line of the server's own."""
        self._session.member.notice(text)

    def _judge(self, data: bytes) -> None:
        """Judge the first reads, the last of which is *data*. Go on with them only if they are text."""
        self._first.append(data)
        text, _ = TelnetFilter().feed(b"".join(self._first))
        verdict = judge(text) if text else Verdict.TEXT  # only telnet commands: it is a telnet client
        if verdict is Verdict.TEXT:
            self._accept_first()
        elif verdict is Verdict.UNCLEAR:
            self.save()
        else:
            self.notify(str(verdict))
            self._connection.end(CloseReason.WRONG_PROTOCOL)

    def _accept_first(self) -> None:
        """Accept the first reads as text, one after the other, as they came."""
        self._heard = True
        several = len(self._first) > 1
        while self._first:
            data = self._first.pop(0)
            if several:
                self.save()  # before its lines are said, as always
            self.received(data)

    def _speak(self, data: bytes) -> None:
        """Pass *data*, whole lines, to the session, no faster than flood control allows."""
        lines = self._lines(data)
        if not lines:
            return
        if b"/" in data:  # there may be commands, whose cost is known only once they have run
            self._held = lines
            self._say_held()
        elif (allowed := self._flood.take(len(lines))) == len(lines):
            self._session.receive(lines)
            self._settle()
        else:
            self._held = lines
            self._say_held(allowed)

    def _say_held(self, allowed: int = 0, saved: bool = False) -> None:
        """
        Say the lines that are held back, as fast as flood control allows. The first *allowed* may be said at once.

        If they are *saved* for a successor, those to be said are struck from there first. So no line is said twice.
        """
        while self._held:
            allowed = allowed or self._flood.take(up_to_command(self._held))
            if not allowed:
                self.save()
                saved = True
                # Not reading is all it takes: TCP slows the talker down.
                self._connection.sleep(self._flood.wait())
                if self._connection.reason is not None:
                    return
                continue
            lines, self._held = self._held[:allowed], self._held[allowed:]
            allowed = 0
            if saved:
                self.save()
            self._session.receive(lines)
            saved |= self._settle()

    def _settle(self) -> bool:
        """Save what the session's commands have changed, and charge their cost. Return whether anything has changed."""
        if self._session.owed:
            self._flood.spend(self._session.owed)
            self._session.owed = 0
        if not self._session.changed:
            return False
        self._session.changed = False
        self.save()
        return True

    def _lines(self, data: bytes) -> list[str]:
        """Return *data*, which is whole lines, as text. Count the lines."""
        if not data:
            return []
        lines = decode(data, typed=True).split("\n")[:-1]
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
