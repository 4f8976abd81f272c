"""
The chat client without a screen: for pipes, scripts, plain terminals and the challenge's transcript.

Each typed line is shown as the others see it. Each line from the network is shown as it comes. With a server that
echoes, the user's own lines are shown twice. The terminal's own line mode does the editing.
The main thread reads the keyboard; ``client-reader`` prints what comes.
"""

from __future__ import annotations

import os
import sys
import threading

from threadchat.base.errors import ChatError
from threadchat.client.client import ChatClient
from threadchat.client.ending import FAREWELL, LEFT, Ending, name_refused, output_lost, server_gone
from threadchat.client.introduction import introduce, listen
from threadchat.client.keyboard import End, Keyboard
from threadchat.client.speaker import Speaker, check_name, is_farewell

#: After a person has left: time for the server to take the last line and close.
_LEAVE_QUIET_SECONDS = 0.2
_LEAVE_LIMIT_SECONDS = 0.5
#: After the end of a pipe: time for answers. ``nc`` waits for them too, but here not for ever.
_PIPE_QUIET_SECONDS = 1.0
_PIPE_LIMIT_SECONDS = 10.0


class Output:
    """
    Standard output, a line at a time, from any thread.

    It does not use ``sys.stdout``. A thread that is stuck writing to a stopped terminal would hold the lock of
    ``sys.stdout``, and the interpreter could not exit.
    """

    def __init__(self, descriptor: int = 1) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()
        #: Whether no more can be written. Either nobody reads any more, as after ``| head``, or there is a problem.
        self.broken = False
        #: The problem that the user must be told of, such as a full disk; empty if there is none.
        self.problem = ""

    def write(self, text: str) -> None:
        """Write *text*, in one piece. Never raises; see ``broken``."""
        data = text.encode(sys.stdout.encoding, "replace")
        with self._lock:
            try:
                while data and not self.broken:
                    data = data[os.write(self._descriptor, data) :]
            except BrokenPipeError:
                self.broken = True
            except OSError as error:
                self.broken = True
                self.problem = error.strerror or str(error)

    def write_lines(self, lines: list[str]) -> None:
        """Write *lines*, each with its end."""
        self.write("".join([f"{line}\n" for line in lines]))


def ask_name(keyboard: Keyboard, output: Output) -> str | None:
    """Ask the person at the keyboard until they give a possible name. Return None if the input ends first."""
    while True:
        output.write("name: ")
        line = keyboard.read_line()
        if isinstance(line, End):
            output.write(f"{FAREWELL}\n")
            return None
        if not line.strip():
            continue
        try:
            return check_name(line)
        except ChatError as problem:
            output.write(f"{problem}\n")


def run(client: ChatClient, keyboard: Keyboard, output: Output, speaker: Speaker) -> Ending:
    """Chat until the user or the server ends it."""

    def show(lines: list[str]) -> None:
        listen(client, speaker, lines)
        output.write_lines(lines)
        if output.broken:
            keyboard.wake()

    output.write_lines(introduce(client, speaker))
    if speaker.refusal and not keyboard.interactive:
        return name_refused(speaker.refusal)
    client.start(show, keyboard.wake)
    ending = _talk(client, keyboard, output, speaker)
    if ending.code == LEFT.code and not output.broken:
        leave(client, keyboard.interactive)
    return output_lost(output.problem) if output.problem else ending


def _talk(client: ChatClient, keyboard: Keyboard, output: Output, speaker: Speaker) -> Ending:
    while not output.broken:
        line = keyboard.read_line()
        if line is End.INPUT:
            if keyboard.interactive:
                output.write(f"{FAREWELL}\n")
            return LEFT
        if line is End.WOKEN:
            break
        if is_farewell(line):
            return LEFT
        if said := speaker.say(line):
            if said.shown:
                output.write_lines([said.shown])
            try:
                client.send_line(said.line)
            except OSError:  # the reader notices too, knows why, and shows what came before
                client.closed.wait()
    return LEFT if output.broken or speaker.asked_to_leave else server_gone(client.reason)


def leave(client: ChatClient, interactive: bool) -> None:
    """Leave without losing anything that was said. What comes meanwhile is still shown."""
    client.half_close()
    if interactive:
        client.wait_until_quiet(_LEAVE_QUIET_SECONDS, _LEAVE_LIMIT_SECONDS)
    else:
        client.wait_until_taken()
        client.wait_until_quiet(_PIPE_QUIET_SECONDS, _PIPE_LIMIT_SECONDS)
