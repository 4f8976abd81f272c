"""A worker that sends every message back, for threadchat and for the stand-in of RoadRunner."""

from __future__ import annotations

from threadchat.sdk import TcpEvent, TcpWorker

worker = TcpWorker()
for request in worker:
    if request.event is TcpEvent.DATA:
        worker.respond(request.body)
    else:
        worker.read()
