"""The live view: shows the screen with Textual, looks again every second, and passes keys on.

Guarantee: leaves the terminal as it was, whether it ends by a key or by a signal; draws only lines that have changed,
so that at rest it costs next to nothing. Limit: a terminal that is gone ends it at once.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.app import App, ComposeResult
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from rpa_shard.observe.top.screen import draw
from rpa_shard.observe.top.source import Source
from rpa_shard.observe.top.text import Line
from rpa_shard.observe.top.view import Reach, View, pressed
from rpa_shard.observe.top.watched import Watched

LOOK_SECONDS = 1.0
ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Canvas(Widget, can_focus=True):
    """Shows lines."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: Sequence[Line] = ()
        self.strips: list[Strip] = []

    def show(self, lines: Sequence[Line]) -> None:
        """Shows these lines from now on; draws those that differ."""
        before, width = self.lines, self.size.width
        changed = [at for at, each in enumerate(lines) if at >= len(before) or before[at] != each]
        self.strips = [
            self.strips[at] if at < len(self.strips) and at not in set(changed) else _strip(each)
            for at, each in enumerate(lines)
        ]
        self.lines = lines
        if len(lines) < len(before):
            self.refresh()
        elif changed:
            self.refresh(*(Region(0, at, width, 1) for at in changed))

    def render_line(self, y: int) -> Strip:
        strip = self.strips[y] if y < len(self.strips) else Strip.blank(0)
        return strip.adjust_cell_length(self.size.width)

    async def on_key(self, event: events.Key) -> None:
        event.stop()
        event.prevent_default()
        if isinstance(self.app, Top):
            self.app.press_key(event)

    def on_resize(self) -> None:
        if isinstance(self.app, Top):
            self.app.redraw()


class Seen(Message):
    """A look at the folder."""

    def __init__(self, watched: Watched) -> None:
        super().__init__()
        self.watched = watched


class Opened(Message):
    """What is known of a paper."""

    def __init__(self, paper_id: str, lines: list[str]) -> None:
        super().__init__()
        self.paper_id = paper_id
        self.lines = lines


class Broken(Message):
    """A defect of this program that ended a thread."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


class Top(App[int]):
    """The view of one data folder."""

    CSS = "Screen { background: ansi_default; } Canvas { width: 100%; height: 100%; }"
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, source: Source, first: Watched) -> None:
        # The terminal's own colours, so that light and dark themes both are readable.
        super().__init__(ansi_color=True)
        self._source = source
        self._watched = first
        self.view = View()
        self._reach = Reach()
        self._page: tuple[str, list[str]] = ("", [])
        self._left = threading.Event()

    def compose(self) -> ComposeResult:
        yield Canvas()

    def on_mount(self) -> None:
        loop = asyncio.get_running_loop()
        for each in ENDING_SIGNALS:
            loop.add_signal_handler(each, self.exit, 128 + each)
        loop.add_signal_handler(signal.SIGHUP, os._exit, 128 + signal.SIGHUP)
        self.query_one(Canvas).focus()
        self._start(self._look)

    def on_unmount(self) -> None:
        self._left.set()

    def _start(self, work: Callable[[], None]) -> None:
        """Does some work in a thread: a daemon, so that a count or a paper that takes long does not delay leaving."""

        def run() -> None:
            try:
                work()
            except Exception as error:
                self.post_message(Broken(error))

        threading.Thread(target=run, daemon=True).start()

    def _look(self) -> None:
        while not self._left.wait(LOOK_SECONDS):
            self.post_message(Seen(self._source.look()))

    def _open(self, paper_id: str) -> None:
        self.post_message(Opened(paper_id, self._source.paper(paper_id)))

    def on_seen(self, message: Seen) -> None:
        self._watched = message.watched
        self.redraw()

    def on_opened(self, message: Opened) -> None:
        self._page = (message.paper_id, message.lines)
        self.redraw()

    def on_broken(self, message: Broken) -> None:
        raise message.error

    def press_key(self, event: events.Key) -> None:
        """Does what a key asks for."""
        if event.character == "q" or event.key in ("ctrl+c", "ctrl+d"):
            self.exit(0)
            return
        key = event.character if event.character and event.character.isalnum() else event.key
        before, self.view = self.view, pressed(self.view, key, self._reach)
        if self.view.opened is not None and self.view.opened != before.opened:
            self._page = (self.view.opened, [f"reading {self.view.opened} …"])
            self._start(partial(self._open, self.view.opened))
        self.redraw()

    def redraw(self) -> None:
        """Draws the screen as it is now."""
        canvas = self.query_one(Canvas)
        page = self._page[1] if self._page[0] == self.view.opened else ()
        screen = draw(self._watched, self.view, canvas.size.width, canvas.size.height, time.time(), page)
        self.view, self._reach = screen.view, screen.reach
        canvas.show(screen.lines)


def watch(source: Source, first: Watched) -> int:
    """Shows the view until the person leaves; returns the exit code."""
    code: Any = Top(source, first).run(mouse=False)
    return int(code or 0)


def _strip(spans: Line) -> Strip:
    return Strip([Segment(span.text, _style(span.style)) for span in spans])


@lru_cache
def _style(words: str) -> Style:
    return Style.parse(words)
