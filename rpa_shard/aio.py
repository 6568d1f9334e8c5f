"""`rpa_shard.read` and `rpa_shard.open` for asyncio: parsing and the store stay off the event loop.

Guarantee: the same values and the same errors as the functions of those names; the loop only waits. Limit: a call that
is cancelled returns at once, but its thread finishes what it has begun (with `isolated`, at the latest at its
deadline). What a paper reads at the first use (`record`, `text`) reads a file: use `asyncio.to_thread` for many.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from itertools import islice
from typing import TypeVar

from rpa_shard.api import Corpus, EngineChoice, Paper, Pdf, Record
from rpa_shard.api import open as open_now
from rpa_shard.api import read as read_now
from rpa_shard.api.reading import DEADLINE_SECONDS, MEMORY_BYTES

T = TypeVar("T")

# Papers that are fetched in one go.
BATCH = 200


async def read(
    pdf: Pdf,
    *,
    engine: EngineChoice = "auto",
    isolated: bool = False,
    id: str | None = None,
    deadline_seconds: float = DEADLINE_SECONDS,
    memory_bytes: int = MEMORY_BYTES,
) -> Record:
    """Reads a PDF in a thread; see `rpa_shard.read`.

    record = await rpa_shard.aio.read("paper.pdf")
    """
    return await asyncio.to_thread(
        read_now,
        pdf,
        engine=engine,
        isolated=isolated,
        id=id,
        deadline_seconds=deadline_seconds,
        memory_bytes=memory_bytes,
    )


async def open(folder: str | os.PathLike[str] = "data") -> AsyncCorpus:
    """The papers of a data folder; see `rpa_shard.open`.

    corpus = await rpa_shard.aio.open("data")
    async for paper in corpus.select(status="failed"):
        print(paper.id, paper.failure)
    """
    return AsyncCorpus(await asyncio.to_thread(open_now, folder))


class AsyncCorpus:
    """The papers of a data folder, for asyncio; `rpa_shard.aio.open` makes it. `corpus` is the same without asyncio."""

    def __init__(self, corpus: Corpus) -> None:
        self.corpus = corpus

    def __aiter__(self) -> AsyncIterator[Paper]:
        """Every paper, once, in any order."""
        return self.select()

    async def get(self, id: str) -> Paper | None:
        """As `Corpus.get`."""
        return await asyncio.to_thread(self.corpus.get, id)

    def select(
        self,
        *,
        status: str | Iterable[str] = (),
        reason: str | Iterable[str] = (),
        phase: str | Iterable[str] = (),
        flag: str | Iterable[str] = (),
        since: datetime | date | timedelta | float | None = None,
        category: str | Iterable[str] = (),
        query: str = "",
        ids: str | Iterable[str] | None = None,
    ) -> AsyncIterator[Paper]:
        """As `Corpus.select`, for `async for`."""
        return _off_the_loop(
            self.corpus.select(
                status=status,
                reason=reason,
                phase=phase,
                flag=flag,
                since=since,
                category=category,
                query=query,
                ids=ids,
            )
        )

    async def counts(self) -> dict[str, int]:
        """As `Corpus.counts`; their sum is the number of papers."""
        return await asyncio.to_thread(self.corpus.counts)

    async def failures(self) -> dict[str, int]:
        """As `Corpus.failures`."""
        return await asyncio.to_thread(self.corpus.failures)

    async def __aenter__(self) -> AsyncCorpus:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.corpus.close()

    def __repr__(self) -> str:
        return f"<AsyncCorpus {self.corpus.folder}>"


async def _off_the_loop(papers: Iterator[T]) -> AsyncIterator[T]:
    """What an iterator gives, taken from it in one thread: SQLite's connections belong to the one that opened them."""
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1, "rpa-shard-corpus") as thread:
        try:
            while batch := await loop.run_in_executor(thread, lambda: list(islice(papers, BATCH))):
                for each in batch:
                    yield each
        finally:
            close = getattr(papers, "close", None)
            if close is not None:
                await loop.run_in_executor(thread, close)
