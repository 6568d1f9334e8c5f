"""Parsing off the loop: the shard's bounded thread pool, in either of its two modes.

Guarantee: the loop only waits; at most `threads` papers are parsed or written at a time. In `thread` mode the engine
runs in the thread, under a breadcrumb; in `process` mode every thread has its own child process, kept between papers.
In both modes a suspect runs alone in a fresh child that may be killed. Limit: a thread cannot be killed, so in `thread`
mode a hung engine is ended by the supervisor, together with the shard.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from rpa_shard.extract.child import ExtractionChild
from rpa_shard.extract.result import Extraction
from rpa_shard.extract.runner import extract
from rpa_shard.ipc.breadcrumb import Breadcrumb
from rpa_shard.system.threads import background_threads

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ExtractionRules:
    """How papers are parsed: the same for every paper of a run."""

    pool: Literal["thread", "process"]
    engine: str
    deadline_seconds: float
    child_memory_bytes: int


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

    def extract(self, paper_id: str, pdf: Path, *, suspect: bool) -> Extraction:
        """Parses a PDF; blocks, for use inside `run`. Raises PaperError."""
        rules = self._rules
        if suspect:
            # In a child that has parsed nothing else: only then can its death be blamed on the paper.
            with closing(ExtractionChild(rules.child_memory_bytes)) as child:
                return child.extract(pdf, rules.engine, rules.deadline_seconds)
        if rules.pool == "process":
            return self._own_child().extract(pdf, rules.engine, rules.deadline_seconds)
        return extract(pdf, rules.engine, self._breadcrumb.inside(paper_id))

    def close(self) -> None:
        """Ends the threads and their children; waits for running work."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        for child in self._children:
            child.close()

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
