"""Ends of claims that arrive together are written together, whichever engine writes them.

Guarantee: every end is answered once, also if its caller was cancelled; no group has two ends of one paper. Limit: a
group that cannot be written for now waits in memory, and is refused when the store is closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from rpa_shard.model.errors import StoreError
from rpa_shard.model.paper import Claim
from rpa_shard.store.outcome import Outcome

# How long the first end of a claim waits for others to share its transaction, unless they make a group earlier.
GROUP_SECONDS = 0.2


class NotNowError(Exception):
    """A group could not be written for now, and is to be tried again: whoever raises it has waited."""


@dataclass(slots=True)
class Ending:
    """The end of a claim that waits to be written; `tries` counts how often it was given to `write` and came back."""

    claim: Claim
    outcome: Outcome
    written: asyncio.Future[bool]
    tries: int = 0


class GroupedEnds:
    """Ends of claims for one event loop.

    `write` writes a group and returns the ids of the papers whose claims still held; `place` is what it writes to, for
    people. `group` ends are written without waiting for more.
    """

    def __init__(self, write: Callable[[Sequence[Ending]], Awaitable[Collection[str]]], place: str, group: int) -> None:
        self._write = write
        self._place = place
        self._group = group
        self._flushing = asyncio.Lock()
        self._endings: list[Ending] = []
        self._arrived = asyncio.Event()
        self._group_arrived = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Writes groups for the time of the block, and what waits at its end."""
        committer = asyncio.create_task(self._commit_groups(), name="commit groups")
        try:
            yield
        finally:
            await self._write_what_waits()
            committer.cancel()
            await asyncio.gather(committer, return_exceptions=True)
            _fail(self._endings, StoreError(f"{self._place} could not be written before it was closed"))

    async def end(self, claim: Claim, outcome: Outcome) -> bool:
        """Ends a claim; see `rpa_shard.store.protocol.Store.finish`."""
        written: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._endings.append(Ending(claim, outcome, written))
        self._arrived.set()
        if len(self._endings) >= self._group:
            self._group_arrived.set()
        return await written

    async def _commit_groups(self) -> None:
        while True:
            await self._arrived.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(GROUP_SECONDS):
                    await self._group_arrived.wait()
            await self._flush()

    async def _write_what_waits(self) -> None:
        """Writes the last groups, including one in progress; stops if nothing can be written for now."""
        while self._endings or self._flushing.locked():
            if not await self._flush():
                return

    async def _flush(self) -> bool:
        """Writes one group; False if it has to wait."""
        async with self._flushing:
            self._arrived.clear()
            self._group_arrived.clear()
            group = self._next_group()
            if not group:
                return True
            try:
                finished = await self._write(group)
            except (NotNowError, asyncio.CancelledError) as error:
                self._put_back(group)
                if isinstance(error, asyncio.CancelledError):
                    raise
                return False
            except Exception as error:  # whatever it is, the waiting workers must receive it
                _fail(group, error)
                return True
            for ending in group:
                if not ending.written.done():  # its worker may have been cancelled
                    ending.written.set_result(ending.claim.paper_id in finished)
            return True

    def _put_back(self, group: Sequence[Ending]) -> None:
        for ending in group:
            ending.tries += 1
        self._endings[:0] = group
        self._arrived.set()

    def _next_group(self) -> list[Ending]:
        """All waiting ends, but only one per paper: a lost lease and its successor may both end here."""
        group: dict[str, Ending] = {}
        later = [ending for ending in self._endings if group.setdefault(ending.claim.paper_id, ending) is not ending]
        self._endings = later
        if later:
            self._arrived.set()
        return list(group.values())


def _fail(endings: Sequence[Ending], error: Exception) -> None:
    for ending in endings:
        if not ending.written.done():
            ending.written.set_exception(error)
