"""
The chat client on a terminal: an input line that stays whole while messages appear above it.

The main thread runs prompt_toolkit's event loop, with one prompt from first to last. ``client-reader`` hands over what
has come and waits until it is on the screen. So a flood is slowed at its source, and the input line is drawn once for
each read. The screen is not taken over: scrollback, the mouse and screen readers keep working.
The input line is one row, which scrolls sideways. So a terminal that is resized leaves no copies of it.
Only this module and resizing import prompt_toolkit. Only the command line imports this module, when it is needed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import partial

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app_session
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.output.vt100 import Vt100_Output

from threadchat.client.client import ChatClient
from threadchat.client.ending import FAREWELL, INTERRUPTED, LEFT, TERMINATED, Ending, server_gone
from threadchat.client.introduction import introduce, listen
from threadchat.client.look import DIM, Fragments, colour_of, styled
from threadchat.client.own_lines import OwnLines
from threadchat.client.plain import leave
from threadchat.client.resizing import Resizing, SteadySize, measure_terminal
from threadchat.client.speaker import Speaker, is_farewell
from threadchat.client.talkers import Completion, Talkers

#: How long a server may take nothing. Sending happens in the event loop, so the input line is frozen meanwhile.
_SEND_SECONDS = 5.0


def run(client: ChatClient, speaker: Speaker) -> Ending:
    """Chat until the user or the server ends it."""
    client.limit_send(_SEND_SECONDS)
    ending = _Screen(client, speaker).run(introduce(client, speaker))
    if ending.code == LEFT.code:
        leave(client, interactive=True)
    return ending


class _Screen:
    """All of it is for the event loop, except the methods of the reader thread."""

    def __init__(self, client: ChatClient, speaker: Speaker) -> None:
        self._client = client
        self._speaker = speaker
        self._talkers = Talkers()
        self._own_lines = OwnLines(time.monotonic)
        self._completion = Completion(self._talkers)
        self._ending = LEFT
        self._shown = threading.Event()  # what was handed over last is on the screen
        self._over = False
        output = get_app_session().output
        size = SteadySize(output.get_size)
        if isinstance(output, Vt100_Output):
            size = SteadySize(measure_terminal)
            # No cpr: asking where the cursor is makes every line wait for the answer, and on terminals that do not
            # answer, the user gets a warning. Only menus and toolbars would need it.
            output = Vt100_Output(sys.stdout, size, term=os.environ.get("TERM"), enable_cpr=False)
        self._session: PromptSession[None] = PromptSession(
            self._prompt,
            key_bindings=self._keys(),
            color_depth=ColorDepth.MONOCHROME if os.environ.get("NO_COLOR") else ColorDepth.ANSI_COLORS_ONLY,
            erase_when_done=True,
            wrap_lines=False,
            enable_suspend=True,
            reserve_space_for_menu=0,
            output=output,
        )
        self._resizing = Resizing(self._session.app, size)

    def run(self, heard: list[str]) -> Ending:
        """Show what was *heard* already. Return once somebody has ended the chat; the terminal is then as it was."""
        try:
            self._session.prompt(pre_run=partial(self._start, heard))
        except EOFError:  # the terminal has gone
            return LEFT
        except KeyboardInterrupt:
            return INTERRUPTED
        finally:
            # The loop has stopped. The reader may still wait for something that the loop never ran: let it go on.
            self._over = True
            self._shown.set()
        return self._ending

    def _start(self, heard: list[str]) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._end, TERMINATED)
        self._resizing.start(loop)
        loop.call_soon(self._show, heard)
        self._client.start(
            lambda lines: self._hand_over(loop, partial(self._show_incoming, lines)),
            lambda: self._hand_over(loop, self._server_gone),
        )

    # The reader thread.

    def _hand_over(self, loop: asyncio.AbstractEventLoop, function: Callable[[], None]) -> None:
        """Run *function* in the event loop and wait until it has, or the loop has ended."""

        def step() -> None:
            try:
                function()
            finally:
                self._shown.set()

        self._shown.clear()
        if self._over:  # _over is set before the event, and read after clearing it: nothing is missed
            return
        with contextlib.suppress(RuntimeError):  # the loop was closed just now
            loop.call_soon_threadsafe(step)
        self._shown.wait()

    # The event loop.

    def _show_incoming(self, lines: list[str]) -> None:
        listen(self._client, self._speaker, lines)
        self._show(lines)

    def _show(self, lines: list[str]) -> None:
        fragments: Fragments = []
        for line in lines:
            self._talkers.heard(line)
            if not self._own_lines.is_echo(line):
                fragments += [*styled(line), ("", "\n")]
        self._print(fragments)

    def _server_gone(self) -> None:
        self._end(LEFT if self._speaker.asked_to_leave else server_gone(self._client.reason))

    def _end(self, ending: Ending) -> None:
        if not self._has_ended():
            self._ending = ending
            self._session.app.exit()

    def _has_ended(self) -> bool:
        future = self._session.app.future
        return future is None or future.done()

    def _print(self, fragments: Fragments) -> None:
        """Print above the input line, which is drawn again before the loop goes on."""
        # run_in_terminal() would give the terminal back for each line, and a key pressed just then would land in the
        # middle of the screen.
        self._resizing.finish()
        app = self._session.app
        app.renderer.erase()
        app.print_text(FormattedText(fragments))
        app.invalidate()

    def _prompt(self) -> FormattedText:
        name = self._speaker.name
        return FormattedText([(colour_of(name), name), ("", ": ")])

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()

        @keys.add("enter")
        def _(event: KeyPressEvent) -> None:
            text = event.current_buffer.text
            event.current_buffer.reset(append_to_history=True)
            # Load it now and not when the line is next drawn: the very next key may be the up-arrow.
            event.current_buffer.load_history_if_not_yet_loaded()
            for line in text.splitlines():  # several, if they were pasted
                self._typed(line)

        @keys.add("tab")
        def _(event: KeyPressEvent) -> None:
            before = event.current_buffer.document.text_before_cursor
            after = self._completion.next(before, self._speaker.name)
            event.current_buffer.delete_before_cursor(len(before))
            event.current_buffer.insert_text(after)

        @keys.add("c-d", filter=Condition(lambda: not self._session.default_buffer.text))
        def _(event: KeyPressEvent) -> None:
            self._typed(FAREWELL)

        @keys.add(Keys.CPRResponse)
        def _(event: KeyPressEvent) -> None:
            self._resizing.answered(int(event.data[2:-1].partition(";")[2]) - 1)

        return keys

    def _typed(self, line: str) -> None:
        if self._has_ended():  # pasted text had a farewell in it
            return
        if is_farewell(line):
            self._print([(DIM, line.strip()), ("", "\n")])
            self._end(LEFT)
            return
        said = self._speaker.say(line)
        if said is None:
            return
        if said.shown:
            self._own_lines.said(said.shown)
            self._print([*styled(said.shown), ("", "\n")])
        try:
            self._client.send_line(said.line)
        except BlockingIOError:
            self._end(server_gone(f"the server has read nothing for {_SEND_SECONDS:g} seconds"))
        except OSError:  # the reader notices too, and knows why
            pass
