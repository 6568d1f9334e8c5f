"""The slow lane: one thread of a shard, with a child process, for papers that nobody is to wait for.

Guarantee: one paper at a time is parsed, in a child process that is killed at its deadline or when its caller is
cancelled; what an earlier engine has read is not lost by the death of a later one. A suspect is parsed in children that
have parsed nothing else; there an engine that hangs or dies leaves the paper to the next one. Limit: slow papers wait
for one another, each with its worker.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from rpa_shard.extract.alone import extract_alone
from rpa_shard.extract.child import ExtractionChild
from rpa_shard.extract.pool import ExtractionRules, Unfinished
from rpa_shard.extract.result import Extraction
from rpa_shard.extract.search import Read, try_next
from rpa_shard.model.failure import Failure, PaperError
from rpa_shard.system.content import Content
from rpa_shard.system.threads import background_threads

T = TypeVar("T")

# How many papers of a shard are parsed at a time in its slow lane.
WIDTH = 1


class SlowLane:
    """The slow lane of one shard."""

    def __init__(self, rules: ExtractionRules) -> None:
        self._rules = rules
        self._threads = background_threads("slow", WIDTH)
        self._stop = threading.Event()
        self._child = ExtractionChild(rules.child_memory_bytes, self._stop)

    async def run(self, work: Callable[[], T]) -> T:
        """Runs `work`, which may call `finish` or `extract_suspect`, in the lane. One caller at a time.

        A cancelled caller gets the child killed, and waits until the thread has finished with what it uses.
        """
        running = asyncio.get_running_loop().run_in_executor(self._threads, work)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            self._stop.set()
            await asyncio.wait([running])
            self._stop.clear()
            if not running.cancelled():
                running.exception()  # looked at, so that asyncio does not report it
            raise

    def finish(self, unfinished: Unfinished) -> Extraction:
        """Parses what the pool left unfinished; blocks. Raises PaperError."""
        search = unfinished.search
        give_up = time.monotonic() + unfinished.seconds_left

        def read(name: str, content: Content, max_pages: int | None) -> Extraction:
            return self._child.extract(content, name, max(give_up - time.monotonic(), 0.0), max_pages)

        while not search.is_over:
            search = try_next(search, self._twice(read) if search.best is not None else read)
        return search.result()

    def extract_suspect(self, pdf: Content) -> Extraction:
        """Parses a paper whose process died, with a fresh child for each engine; blocks. Raises PaperError."""
        rules = self._rules
        return extract_alone(pdf, rules.engine, rules.deadline_seconds, rules.child_memory_bytes, self._stop)

    def _twice(self, read: Read) -> Read:
        """`read`, tried once more if something else ends it, and then given up: the paper has a result already.

        The system may have killed it for its memory, where that cannot be seen from here.
        """

        def read_twice(name: str, content: Content, max_pages: int | None) -> Extraction:
            try:
                return read(name, content, max_pages)
            except PaperError as error:
                if error.failure is not Failure.INTERRUPTED or self._stop.is_set():
                    raise
            try:
                return read(name, content, max_pages)
            except PaperError as error:
                if error.failure is not Failure.INTERRUPTED or self._stop.is_set():
                    raise
                raise PaperError(Failure.POISON, f"{error.detail}, twice") from None

        return read_twice

    def close(self) -> None:
        """Ends the thread and its child; waits for running work."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._child.close()
