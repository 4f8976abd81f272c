"""The echo app (RFC 862): every byte comes back unchanged, at once."""

from __future__ import annotations

from typing import Any

from threadchat.base.errors import CloseReason
from threadchat.net.connection import Connection
from threadchat.net.handler import App


class EchoApp(App):
    """Sends at the peer's own pace: a peer that does not read its echo is not read either."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def received(self, data: bytes) -> None:
        """Send *data* back."""
        self._connection.answer(data)
        self._connection.wait_sent()

    def missed(self) -> None:
        """End the connection: some bytes have not come back."""
        self._connection.close(CloseReason.ERROR)

    def state(self) -> dict[str, Any]:
        """Return an empty state: a successor needs to know nothing."""
        return {}
