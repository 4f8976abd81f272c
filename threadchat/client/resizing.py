"""
The input line of the screen, after its terminal has become narrower.

The terminal has wrapped the line or cut it off, and where its first row is now depends on that. Asked where the
cursor is, it gives itself away. It is only asked if that matters: the answer takes as long as the network between
here and the terminal. All of this is the event loop's.
"""

from __future__ import annotations

import asyncio
import signal

from prompt_toolkit import PromptSession
from prompt_toolkit.layout.screen import Screen

from threadchat.client.reflow import Place, place_of

#: A terminal that does not say in this time where its cursor is never will.
_CURSOR_SECONDS = 0.5


class Resizing:
    """Draws the input line anew whenever the terminal has changed its size."""

    def __init__(self, session: PromptSession[None]) -> None:
        self._app = session.app
        # prompt_toolkit's own way, which knows nothing of wrapping, is switched off, here and in start().
        self._app.terminal_size_polling_interval = None
        self._questions = 0  # not answered so far
        self._asked_about: Screen | None = None  # what was drawn then

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Listen for SIGWINCH, in the event loop, once prompt_toolkit does."""
        self._loop = loop
        loop.call_soon(loop.add_signal_handler, signal.SIGWINCH, self._resized)

    def answered(self, column: int) -> None:
        """Take the terminal's answer: the cursor is in that *column*."""
        if not self._questions:  # too late
            return
        self._questions -= 1
        if self._questions:  # it has been resized again since this one
            return
        place = self._wrapped()
        self._draw(place.row if self._asked_about is self._drawn() and column == place.column else 0)

    def _resized(self) -> None:
        if self._wrapped().row == 0:
            self._draw(0)
            return
        self._questions += 1
        self._asked_about = self._drawn()
        self._loop.call_later(_CURSOR_SECONDS, self._not_answered, self._asked_about)
        self._app.output.ask_for_cpr()

    def _not_answered(self, asked_about: Screen | None) -> None:
        if self._questions and self._asked_about is asked_about:
            self._questions = 0
            self._draw(0)

    def _drawn(self) -> Screen | None:
        return self._app.renderer.last_rendered_screen

    def _wrapped(self) -> Place:
        """Return where the cursor is, counted from the row above which it was, if the terminal wraps lines."""
        screen = self._drawn()
        if screen is None:
            return Place(0, 0)
        columns = self._app.output.get_size().columns
        cursor = screen.get_cursor_position(self._app.layout.current_window)
        above = 0
        for y in range(cursor.y + 1):  # several rows, if lines were pasted
            row = screen.data_buffer[y]
            widths = [row[x].width for x in range(max(row, default=-1) + 1)]
            if y == cursor.y:
                place = place_of(cursor.x, widths, columns)
            else:
                above += place_of(sum(widths) - 1, widths, columns).row
        return Place(above + place.row, place.column)

    def _draw(self, rows: int) -> None:
        """Draw the input line anew; its first row is *rows* above where prompt_toolkit takes it to be."""
        self._app.output.cursor_up(rows)
        self._app.renderer.erase(leave_alternate_screen=False)
        self._app.layout.current_window.horizontal_scroll = 0  # else it stays scrolled where there is room again
        self._app.invalidate()
