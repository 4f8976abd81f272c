"""
A worker built on the SDK that echoes, and misbehaves when it is told to.

``die`` ends it, ``wait PATH`` is answered when PATH exists, ``fork`` is answered by a child of its own too.
"""

from __future__ import annotations

import os
import time

from threadchat.sdk import Request, TcpEvent, TcpWorker

worker = TcpWorker()


def handle(request: Request) -> None:
    if request.event is not TcpEvent.DATA:
        worker.read()
        return
    command, _, argument = request.body.decode("latin-1").strip().partition(" ")
    if command == "die":
        os._exit(1)
    if command == "wait":
        while not os.path.exists(argument):
            time.sleep(0.01)
    if command == "fork" and not os.fork():
        worker.respond(request.body)
        os._exit(0)
    worker.respond(request.body)


worker.serve(handle)
