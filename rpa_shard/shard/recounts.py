"""The recounts of a shard's papers, for its reports.

Guarantee: counting takes at most a share of the time, and a store that answers late, or is away, holds up no report.
Limit: counts are as old as the last recount that has ended.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from rpa_shard.store.protocol import Store
from rpa_shard.store.rows import Counts


class Recounts:
    """Counts the papers of `store` again every `seconds`, or less often: for at most `share` of the time."""

    def __init__(self, store: Store, seconds: float, share: float) -> None:
        self._store = store
        self._seconds = seconds
        self._share = share
        self._counts: Counts | None = None
        self._counting: asyncio.Task[Counts] | None = None
        self._begun = self._due = 0.0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._counting is not None:
            self._counting.cancel()
            await asyncio.wait((self._counting,))

    def hurry(self, seconds: float) -> None:
        """The next recount begins within this time."""
        self._due = min(self._due, asyncio.get_running_loop().time() + seconds)

    async def latest(self, patience_seconds: float) -> Counts | None:
        """The last counts, None if there are none yet; waits so long for a recount that is due. Raises StoreError."""
        loop = asyncio.get_running_loop()
        if self._counting is None and loop.time() >= self._due:
            self._begun, self._counting = loop.time(), asyncio.create_task(self._store.counts())
        if self._counting is not None:
            await asyncio.wait((self._counting,), timeout=patience_seconds)
            if self._counting.done():
                counting, self._counting = self._counting, None
                self._counts = counting.result()
                self._due = loop.time() + max(self._seconds, (loop.time() - self._begun) / self._share)
        return self._counts
