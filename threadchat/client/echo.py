"""
The echo client, step 2 of the challenge: ``send: ``, what the user types, ``recv: ``, what comes back.

The main thread reads the keyboard and waits for the answer; ``client-reader`` hands lines over.
"""

from __future__ import annotations

from queue import Empty, SimpleQueue

from threadchat.client.client import ChatClient
from threadchat.client.ending import HUNG_UP, LEFT, Ending, server_gone
from threadchat.client.keyboard import End, Keyboard
from threadchat.client.plain import Output, leave
from threadchat.client.speaker import is_farewell
from threadchat.wire.text import sanitise

#: A server that does not answer is no echo server; the user may go on all the same.
ANSWER_SECONDS = 5.0


def run(client: ChatClient, keyboard: Keyboard, output: Output) -> Ending:
    """Send what is typed, a line at a time, and show what comes back."""
    answers: SimpleQueue[list[str]] = SimpleQueue()

    def closed() -> None:
        answers.put([])  # ends a wait for an answer
        keyboard.wake()

    client.start(answers.put, closed)
    while not output.broken:
        output.write("send: ")
        line = keyboard.read_line()
        if line is End.WOKEN:
            output.write("\n")
            return server_gone(client.reason)
        if line is End.INPUT:
            output.write("\n")
            leave(client, keyboard.interactive)
            _show(answers, output)
            return HUNG_UP if keyboard.interactive else LEFT
        if is_farewell(line):
            leave(client, keyboard.interactive)
            return LEFT
        if (text := sanitise(line)).strip():
            _exchange(client, text, answers, output)
    return LEFT


def _exchange(client: ChatClient, text: str, answers: SimpleQueue[list[str]], output: Output) -> None:
    try:
        client.send_line(text)
        first = answers.get(timeout=ANSWER_SECONDS)
    except OSError:  # the next look at the keyboard says why
        client.closed.wait()
        return
    except Empty:
        output.write_lines([f"(no answer in {ANSWER_SECONDS:g} seconds)"])
        return
    _show_lines(first, output)
    _show(answers, output)


def _show(answers: SimpleQueue[list[str]], output: Output) -> None:
    """Show the answers that are there."""
    while not answers.empty():
        _show_lines(answers.get(), output)


def _show_lines(lines: list[str], output: Output) -> None:
    output.write_lines([f"recv: {line}" for line in lines])
