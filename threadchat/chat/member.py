"""Who is in a room: one connection's name, and the way to reach it."""

from __future__ import annotations

from collections.abc import Callable

from threadchat.chat.fanout import to_crlf


class Member:
    """
    A connection as the rooms know it.

    ``name`` is set by the hub only, under its lock, and may be read by any thread. ``crlf`` is set by the connection's
    own thread. ``introduced`` is set by the rooms: its comings and goings are announced; until then it is a stranger
    (presence.py). Where a member is, the hub knows.
    """

    __slots__ = ("crlf", "introduced", "name", "named", "send")

    def __init__(self, name: str, send: Callable[[bytes], None]) -> None:
        self.name = name
        self.named = False  # still a guest
        self.introduced = False
        self.crlf = False
        #: Send bytes or queue them; never blocks, never raises.
        self.send = send

    def tell(self, *lines: str) -> None:
        """Send *lines*, which are whole and safe, to this member alone, as one piece."""
        data = "".join([f"{line}\n" for line in lines]).encode()
        self.send(to_crlf(data) if self.crlf else data)

    def notice(self, *texts: str) -> None:
        """Send *texts* as lines of the server's own."""
        self.tell(*[f"* {text}" for text in texts])
