"""Recounts of a shard: a store that answers late holds up nothing."""

from __future__ import annotations

import asyncio

import pytest

from rpa_shard.model.errors import StoreError
from rpa_shard.shard.recounts import Recounts
from rpa_shard.store.rows import Counts
from tests.memory_papers import Papers
from tests.memory_store import MemoryStore


class SlowStore(MemoryStore):
    """A store that counts when it is told to."""

    async def counts(self) -> Counts:
        await answers.get()
        return await super().counts()


answers: asyncio.Queue[None]


@pytest.fixture
def store() -> SlowStore:
    global answers
    answers = asyncio.Queue()
    return SlowStore(Papers(), 0, 300.0, lambda: 0.0)


async def test_a_store_that_does_not_answer_holds_up_no_report(store: SlowStore) -> None:
    async with Recounts(store, 0.0, 1.0) as recounts:
        assert await recounts.latest(0.0) is None
        assert await recounts.latest(0.0) is None
        answers.put_nowait(None)
        first = await recounts.latest(10.0)
        assert first is not None
        assert await recounts.latest(0.0) is first, "the last counts, while the store does not answer again"


async def test_a_recount_that_was_made_is_used_until_the_next_is_due(store: SlowStore) -> None:
    async with Recounts(store, 1000.0, 1.0) as recounts:
        answers.put_nowait(None)
        first = await recounts.latest(10.0)
        assert await recounts.latest(10.0) is first
        recounts.hurry(0.0)
        answers.put_nowait(None)
        assert await recounts.latest(10.0) is not first


async def test_a_broken_store_breaks_the_shard() -> None:
    class Broken(MemoryStore):
        async def counts(self) -> Counts:
            raise StoreError("damaged")

    async with Recounts(Broken(Papers(), 0, 300.0, lambda: 0.0), 0.0, 1.0) as recounts:
        with pytest.raises(StoreError):
            await recounts.latest(10.0)
