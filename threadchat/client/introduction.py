"""
Makes the user's name known before anything is said under it.

threadchat greets at once, and answers the request for a name at once. So the user learns that a name is taken before
their first line goes out, and the others never see them under another name. Other servers get no such request,
because they do not send that greeting. A server that stays silent is waited for only a moment.
"""

from __future__ import annotations

import contextlib
import time

from threadchat.client.client import ChatClient
from threadchat.client.speaker import Speaker

#: How long a server may take to greet. One that takes longer is recognised all the same, but not waited for.
GREETING_SECONDS = 0.5
#: How long threadchat may take to answer.
ANSWER_SECONDS = 5.0


def introduce(client: ChatClient, speaker: Speaker) -> list[str]:
    """Wait for the greeting and settle the name. Return what the server has said, for the user to see."""
    lines = client.read_lines(GREETING_SECONDS)
    listen(client, speaker, lines)
    deadline = time.monotonic() + ANSWER_SECONDS
    while speaker.awaits_answer and (more := client.read_lines(deadline - time.monotonic())):
        listen(client, speaker, more)
        lines += more
    return lines


def listen(client: ChatClient, speaker: Speaker, lines: list[str]) -> None:
    """Let *speaker* hear *lines* from the server, and send its answers."""
    for line in lines:
        if answer := speaker.heard(line):
            with contextlib.suppress(OSError):  # the reader notices too, and knows why
                client.send_line(answer)
