"""The broadcast app: every byte goes to every connection, in one order for all."""

from __future__ import annotations

from typing import Any

from threadchat.base.errors import CloseReason
from threadchat.chat.fanout import ByteFanout, Message
from threadchat.net.connection import Connection
from threadchat.net.handler import App


class BroadcastMember:
    """A connection as the fan-out knows it. Bytes are sent as they are."""

    __slots__ = ("send",)

    def __init__(self, connection: Connection) -> None:
        self.send = connection.send


class BroadcastApp(App):
    """Keeps the bytes of one read in one piece. With ``echo_sender`` the sender is a receiver too."""

    __slots__ = ("_author", "_connection", "_fanout", "_member")

    def __init__(self, connection: Connection, fanout: ByteFanout[BroadcastMember], echo_sender: bool) -> None:
        self._fanout = fanout
        self._connection = connection
        self._member = BroadcastMember(connection)
        self._author = None if echo_sender else self._member

    def connected(self) -> None:
        """Become a receiver."""
        self._fanout.add(self._member)

    def received(self, data: bytes) -> None:
        """Send *data* to everybody."""
        self._fanout.post(Message(self._author, data))

    def state(self) -> dict[str, Any]:
        """Return an empty state: a successor needs to know nothing."""
        return {}

    def restore(self, state: dict[str, Any], intact: bool, planned: bool = True) -> None:
        """Be a receiver again."""
        self.connected()

    def missed(self) -> None:
        """End the connection: some bytes were not sent."""
        self._connection.close(CloseReason.ERROR)

    def closed(self, reason: CloseReason) -> None:
        """Stop being a receiver."""
        self._fanout.discard(self._member)
