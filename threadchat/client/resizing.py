"""
The input line of the screen, after its terminal has become narrower.

The terminal has either wrapped the line or cut it off. Where the line's first row is now depends on that. To find out,
the client asks the terminal where its cursor is, and draws nothing until the answer has come. It asks only if that
matters, because the question and the answer may have to cross a network. All of this runs in the event loop.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any

from prompt_toolkit.application import Application
from prompt_toolkit.data_structures import Size
from prompt_toolkit.layout import Layout
from prompt_toolkit.layout.screen import Char
from prompt_toolkit.renderer import Renderer

from threadchat.client.reflow import Place, place_of

#: A terminal that has not said in this time where its cursor is never will.
_CURSOR_SECONDS = 0.5


class SteadySize:
    """The size of the terminal at the last :meth:`look`. So it does not change in the middle of drawing."""

    def __init__(self, measure: Callable[[], Size]) -> None:
        self._measure = measure
        self._size = measure()

    def __call__(self) -> Size:
        """Return the size that was noted."""
        return self._size

    def look(self) -> bool:
        """Note the current size. Return whether it has changed."""
        before, self._size = self._size, self._measure()
        return before != self._size


def measure_terminal() -> Size:
    """Return the size of the terminal that standard output is."""
    columns, rows = os.get_terminal_size(sys.stdout.fileno())
    return Size(rows=rows or 24, columns=columns or 80)  # a serial line does not know


class _Renderer(Renderer):
    """A renderer that does not draw while it is unknown where the line is."""

    def __init__(self, before: Renderer, may_draw: Callable[[], bool]) -> None:
        super().__init__(before.style, before.output)
        self._may_draw = may_draw

    def render(self, app: Application[Any], layout: Layout, is_done: bool = False) -> None:
        """Draw, or leave the drawing for later."""
        if is_done or self._may_draw():
            super().render(app, layout, is_done)


class Resizing:
    """Draws the input line anew whenever the terminal has changed its size."""

    def __init__(self, app: Application[None], size: SteadySize) -> None:
        self._app = app
        self._size = size
        app.renderer = _Renderer(app.renderer, self._may_draw)
        # prompt_toolkit's own way knows nothing of wrapping. It is switched off, here and in start().
        app.terminal_size_polling_interval = None
        self._waiting = False  # for an answer; nothing is drawn meanwhile
        self._questions = 0  # how many the terminal has not answered so far
        self._wraps = False  # the terminal has shown that it wraps, instead of cutting off
        self._timer: asyncio.TimerHandle | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Listen for SIGWINCH in the event loop. It replaces prompt_toolkit's handler, so it comes later."""
        self._loop = loop
        loop.call_soon(loop.add_signal_handler, signal.SIGWINCH, self._look)

    def answered(self, column: int) -> None:
        """Take the terminal's answer: the cursor is in that *column*."""
        if not self._questions:
            return
        self._questions -= 1
        if not self._waiting or self._questions or self._look():  # too late, or there will be another answer
            return
        places, last = self._places(), self._size().columns - 1
        if any(place.column == column < last for place in places):
            self._wraps = True
        elif column != last:  # the terminal is being resized, and SIGWINCH is on its way
            return
        # The last column proves nothing: a terminal that cuts off has its cursor there, and one that wraps may have it.
        self._draw(next((place.row for place in places if place.column == column), places[0].row) if self._wraps else 0)

    def finish(self) -> None:
        """Draw the input line without waiting for an answer any longer, where its first row is most likely to be."""
        self._look()
        if self._waiting:
            places = self._places()
            self._draw(places[0].row if places and self._wraps else 0)

    def _look(self) -> bool:
        """Return whether the size has changed. If so, draw anew, or first ask where the cursor is if that matters."""
        changed = self._size.look()
        if changed and any(place.row for place in self._places()):
            self._waiting = True
            self._stop_timer()
            self._timer = self._loop.call_later(_CURSOR_SECONDS, self.finish)
            self._questions += 1
            self._app.output.ask_for_cpr()
        elif changed:
            self._draw(0)
        return changed

    def _may_draw(self) -> bool:
        self._look()  # SIGWINCH may be on its way
        return not self._waiting

    def _places(self) -> tuple[Place, ...]:
        """
        Return where the cursor may be if the terminal wraps. Its row is how many rows wrapping has added above it.

        A cursor behind the last character, with blanks between them, may be in two places: some terminals keep its
        distance from the character, others do not.
        """
        screen = self._app.renderer.last_rendered_screen
        if screen is None:
            return ()
        columns = self._size().columns
        cursor = screen.get_cursor_position(self._app.layout.current_window)
        rows = [_widths(screen.data_buffer[y]) for y in range(cursor.y + 1)]  # several, if lines were pasted
        above = sum(place_of(sum(row) - 1, row, columns).row for row in rows[:-1] if row)
        places = (place_of(x, rows[-1], columns) for x in (min(cursor.x, sum(rows[-1])), cursor.x))
        return tuple(Place(above + place.row, place.column) for place in places)

    def _draw(self, rows: int) -> None:
        """Draw the input line anew; its first row is *rows* above where prompt_toolkit takes it to be."""
        self._stop_timer()
        self._waiting = False
        self._app.output.cursor_up(rows)
        self._app.renderer.erase(leave_alternate_screen=False)
        self._app.layout.current_window.horizontal_scroll = 0  # else it stays scrolled even when there is room again
        self._app.invalidate()

    def _stop_timer(self) -> None:
        if self._timer:
            self._timer.cancel()


def _widths(row: Mapping[int, Char]) -> list[int]:
    """Return how wide the characters of a drawn *row* are; blanks at its end are not drawn."""
    end = max((x + 1 for x, cell in row.items() if cell.char not in ("", " ")), default=0)
    return [row[x].width for x in range(end)]
