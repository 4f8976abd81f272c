"""
A mail server that talks politely and takes no mail: the beginning of an SMTP server (RFC 5321), in a worker.

Each command of a client may go to another worker, so nothing is remembered here.
"""

from __future__ import annotations

from threadchat.sdk import Request, TcpEvent, TcpWorker

NAME = "mail.example"
REPLIES = {
    "HELO": f"250 {NAME}",
    "EHLO": f"250-{NAME}\r\n250 8BITMIME",
    "NOOP": "250 OK",
    "RSET": "250 OK",
    "VRFY": "252 Cannot verify, but will try",
    "MAIL": "550 No mail is taken here",
    "QUIT": f"221 {NAME} closes the connection",
}

worker = TcpWorker()


def handle(request: Request) -> None:
    """Greet, or answer what was said."""
    if request.event is TcpEvent.CONNECTED:
        worker.respond(f"220 {NAME} ESMTP ready\r\n")
    elif request.event is TcpEvent.DATA:
        replies = ""
        verb = ""
        for line in request.body.splitlines():  # one under threadchat; RoadRunner may bring several at once
            verb = line[:4].decode("ascii", "replace").upper()
            replies += REPLIES.get(verb, "502 Command not implemented") + "\r\n"
            if verb == "QUIT":
                break
        worker.respond(replies, close=verb == "QUIT")


worker.serve(handle)
