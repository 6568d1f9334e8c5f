"""The corpus' signals for the runners of one shard.

Guarantee: nothing blocks the loop; the shard's part in writing the index begins and ends with the block. Limit: one for
each shard, for the phases that ask models.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing

from rpa_shard.phases.runner import ShardContext
from rpa_shard.phases.signals.indexer import Indexer
from rpa_shard.phases.signals.reader import SignalsReader
from rpa_shard.phases.signals.signals import Signals
from rpa_shard.system.threads import background_threads

THREADS = 2
# How long the end of a shard waits for the thread that writes; a transaction takes far less.
STOP_SECONDS = 5.0


class CorpusSignals:
    """What the corpus says of papers. Made by `open_signals`."""

    def __init__(self, reader: SignalsReader, threads: ThreadPoolExecutor) -> None:
        self._reader = reader
        self._threads = threads

    async def read(self, paper_id: str, title: str, abstract: str) -> Signals:
        """The signals for a paper; within a second or so, and never an error."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._reader.read, paper_id, title, abstract)

    async def tags(self) -> tuple[str, ...]:
        """The tags that papers may have, most common first; empty while none are known."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._reader.tags)


@asynccontextmanager
async def open_signals(context: ShardContext) -> AsyncIterator[CorpusSignals]:
    """The signals of the shard's data folder; while the block runs, its thread writes the index if no other does."""
    indexer = Indexer(context.folder, context.engine)
    indexer.start()
    try:
        with (
            closing(SignalsReader(context.folder.signals_file)) as reader,
            background_threads("signals", THREADS) as threads,
        ):
            yield CorpusSignals(reader, threads)
    finally:
        await asyncio.to_thread(indexer.stop, STOP_SECONDS)
