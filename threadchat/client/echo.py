"""
The echo client, step 2 of the challenge: ``send: `` and what the user types, ``recv: `` and what comes back.

The main thread reads the keyboard and waits for the answer; ``client-reader`` hands lines over. A server that
answers with something else is no echo server. The user is told so once, and may go on.
"""

from __future__ import annotations

import time
from queue import Empty, SimpleQueue

from threadchat.client.client import ChatClient
from threadchat.client.ending import FAREWELL, LEFT, Ending, output_lost, server_gone
from threadchat.client.keyboard import End, Keyboard
from threadchat.client.plain import Output, leave
from threadchat.client.speaker import is_farewell
from threadchat.wire.text import sanitise

#: An echo server answers within this time.
ANSWER_SECONDS = 5.0
#: How long to wait for an answer once the server has shown that it is no echo server.
_OTHER_SECONDS = 0.5
#: While waiting for an answer, the client looks this often whether the user has pressed Ctrl-D.
_LOOK_SECONDS = 0.1


def run(client: ChatClient, keyboard: Keyboard, output: Output) -> Ending:
    """Send what is typed, a line at a time, and show what comes back."""
    ending = _Echo(client, keyboard, output).run()
    return output_lost(output.problem) if output.problem else ending


class _Echo:
    """One run. All of it is for the main thread, except :meth:`_closed`."""

    def __init__(self, client: ChatClient, keyboard: Keyboard, output: Output) -> None:
        self._client = client
        self._keyboard = keyboard
        self._output = output
        self._answers: SimpleQueue[list[str]] = SimpleQueue()
        self._echoes = True  # as far as is known, the server echoes

    def run(self) -> Ending:
        """Exchange lines until the user or the server ends that."""
        self._client.start(self._answers.put, self._closed)
        while not self._output.broken:
            self._output.write("send: ")
            line = self._keyboard.read_line()
            if line is End.WOKEN:
                self._output.write("\n")
                return server_gone(self._client.reason)
            if line is End.INPUT:
                self._output.write(f"{FAREWELL}\n" if self._keyboard.interactive else "\n")
                leave(self._client, self._keyboard.interactive)
                self._show(self._heard())
                return LEFT
            if is_farewell(line):
                leave(self._client, self._keyboard.interactive)
                return LEFT
            if (text := sanitise(line)).strip():
                self._exchange(text)
        return LEFT

    def _closed(self) -> None:
        """End a wait for an answer, or for the keyboard. Called by the reader thread."""
        self._answers.put([])
        self._keyboard.wake()

    def _exchange(self, text: str) -> None:
        try:
            self._client.send_line(text)
        except OSError:  # the next read of the keyboard tells why
            self._client.closed.wait()
            return
        lines = self._wait_for_answer() + self._heard()
        self._show(lines)
        if lines and text.rstrip() not in lines and self._echoes:
            self._echoes = False
            self._output.write_lines(["(that is not what was sent: this may be no echo server)"])

    def _wait_for_answer(self) -> list[str]:
        patience = ANSWER_SECONDS if self._echoes else _OTHER_SECONDS
        deadline = time.monotonic() + patience
        while (rest := deadline - time.monotonic()) > 0:
            try:
                return self._answers.get(timeout=min(rest, _LOOK_SECONDS))
            except Empty:
                if self._keyboard.interactive and self._keyboard.at_end():
                    return []
        self._output.write_lines([f"(no answer in {patience:g} seconds)"])
        return []

    def _heard(self) -> list[str]:
        """Return the lines that have come already."""
        lines = []
        while not self._answers.empty():
            lines += self._answers.get()
        return lines

    def _show(self, lines: list[str]) -> None:
        self._output.write_lines([f"recv: {line}" for line in lines])
