"""
A room with a bot, in a worker: what somebody says goes to everybody, and the bot answers ``!roll`` and ``!help``.

RoadRunner can answer only the client that has just spoken. threadchat's ``tcp.Broadcast`` reaches all connections of a
server.
"""

from __future__ import annotations

import random

from threadchat.sdk import Request, TcpEvent, TcpWorker

worker = TcpWorker()


def handle(request: Request) -> None:
    """Greet, or pass on what was said and the bot's answer to it."""
    guest = f"guest-{request.uuid[:4]}"
    if request.event is TcpEvent.CONNECTED:
        worker.respond(f"You are {guest}. !roll rolls a die.\r\n")
    elif request.event is TcpEvent.DATA:
        text = request.body.decode("utf-8", "replace").strip()
        say(request.server, f"{guest}: {text}")
        if text == "!roll":
            say(request.server, f"bot: {guest} rolls {random.randint(1, 6)}")  # noqa: S311
        elif text == "!help":
            say(request.server, "bot: I know !roll and !help.")
        worker.read()


def say(server: str, line: str) -> None:
    """Send *line* to all connections of *server*."""
    worker.rpc.broadcast(server, f"{line}\r\n".encode())


worker.serve(handle)
