"""Parsing off the loop: the shard's bounded thread pool, in either of its two modes.

Guarantee: the loop only waits; at most `threads` papers are parsed or written at a time. In `thread` mode the first
engine runs in the thread, under a breadcrumb; in `process` mode every thread has its own child process, kept between
papers. A paper that takes longer than `slow_seconds`, or that in `thread` mode needs a further engine, is left
unfinished, for the slow lane. Limit: a thread cannot be killed, so in `thread` mode a hung engine is ended by the
supervisor, together with the shard.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from rpa_shard.extract.child import ExtractionChild
from rpa_shard.extract.engines.time_slice import SliceOverError
from rpa_shard.extract.result import Extraction
from rpa_shard.extract.runner import read_with
from rpa_shard.extract.search import Read, Search, search_of, try_next
from rpa_shard.ipc.breadcrumb import Breadcrumb
from rpa_shard.model.failure import Failure, PaperError
from rpa_shard.system.content import Content
from rpa_shard.system.threads import background_threads

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ExtractionRules:
    """How papers are parsed: the same for every paper of a run."""

    pool: Literal["thread", "process"]
    engine: str
    deadline_seconds: float
    child_memory_bytes: int
    slow_seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A paper that the pool did not finish: how far it came, and the seconds left of its deadline."""

    search: Search
    seconds_left: float

    def moved_to(self, content: Content) -> Unfinished:
        """The same paper, whose PDF has been moved."""
        return replace(self, search=replace(self.search, content=content))


class ExtractionPool:
    """The extraction threads of one shard."""

    def __init__(self, rules: ExtractionRules, threads: int, breadcrumb: Breadcrumb) -> None:
        self._rules = rules
        self.threads = threads
        self._threads = background_threads("extract", threads)
        self._breadcrumb = breadcrumb
        self._own = threading.local()
        self._children: list[ExtractionChild] = []
        self._lock = threading.Lock()
        self._busy = 0

    @property
    def busy(self) -> int:
        """How many threads are working now."""
        return self._busy

    async def run(self, work: Callable[[], T]) -> T:
        """Runs `work`, which may call `extract`, in a thread of the pool."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._counted, work)

    def extract(self, paper_id: str, pdf: Content) -> Extraction | Unfinished:
        """Parses a PDF; blocks, for use inside `run`. Raises PaperError."""
        rules = self._rules
        search = search_of(pdf, rules.engine)
        in_thread = rules.pool == "thread"
        give_up = time.monotonic() + rules.deadline_seconds
        read = self._reader_here(paper_id) if in_thread else self._reader_in_child(give_up)
        while not search.is_over:
            if in_thread and search.next:
                return Unfinished(search, max(give_up - time.monotonic(), 0.0))
            try:
                search = try_next(search, read)
            except SliceOverError:
                return Unfinished(search, max(give_up - time.monotonic(), 0.0))
        return search.result()

    def close(self) -> None:
        """Ends the threads and their children; waits for running work."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        for child in self._children:
            child.close()

    def _reader_here(self, paper_id: str) -> Read:
        def read(name: str, content: Content, max_pages: int | None) -> Extraction:
            return read_with(name, content, max_pages, self._breadcrumb.inside(paper_id), self._rules.slow_seconds)

        return read

    def _reader_in_child(self, give_up: float) -> Read:
        child = self._own_child()
        slow_at = time.monotonic() + self._rules.slow_seconds

        def read(name: str, content: Content, max_pages: int | None) -> Extraction:
            left = max(min(slow_at, give_up) - time.monotonic(), 0.0)
            try:
                return child.extract(content, name, left, max_pages)
            except PaperError as error:
                if error.failure is Failure.EXTRACT_TIMEOUT and slow_at < give_up:
                    raise SliceOverError from None
                raise

        return read

    def _counted(self, work: Callable[[], T]) -> T:
        with self._lock:
            self._busy += 1
        try:
            return work()
        finally:
            with self._lock:
                self._busy -= 1

    def _own_child(self) -> ExtractionChild:
        child: ExtractionChild | None = getattr(self._own, "child", None)
        if child is None:
            child = self._own.child = ExtractionChild(self._rules.child_memory_bytes)
            with self._lock:
                self._children.append(child)
        return child
