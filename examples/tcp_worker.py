"""
RoadRunner's documented TCP worker, in Python.

It runs under threadchat and under RoadRunner: name it in ``server.command`` and configure the servers
``smtp``, ``tcp_access_point_1`` and ``server2``.
"""

from __future__ import annotations

import json

from threadchat.sdk import Request, TcpEvent, TcpWorker

worker = TcpWorker()


def handle(request: Request) -> None:
    """Answer one event by calling exactly one of close, read and respond."""
    if request.event is TcpEvent.CONNECTED:
        # You can close a connection according to your restrictions.
        if not request.remote_addr.startswith("127.0.0.1:"):
            worker.close()
        else:
            # Or go on reading without a word, with worker.read(). Or greet, as an SMTP server does:
            worker.respond("220 mailamie \r\n")
    elif request.event is TcpEvent.DATA:
        if request.server == "tcp_access_point_1":
            worker.respond("Access denied", close=True)
        elif request.server == "server2":
            answer = {
                "remote_addr": request.remote_addr,
                "server": request.server,
                "uuid": request.uuid,
                "body": request.body.decode("utf-8", "replace"),
                "event": request.event.value,
            }
            worker.respond(json.dumps(answer))
        else:
            worker.read()
    # TcpEvent.CLOSE: clean up. It needs no answer.


# An exception in handle is logged, and closes the connection that the event came from. The worker goes on.
worker.serve(handle)
