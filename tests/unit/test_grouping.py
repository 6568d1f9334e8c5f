"""Claims and results wait to form a group, but no longer once there are enough of them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from rpa_shard.model.phase import PREP
from rpa_shard.shard import claims as claims_module
from rpa_shard.shard.claims import Claims
from rpa_shard.shard.vitals import Counters
from rpa_shard.store import grouping
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import engine_of, open_ledger
from rpa_shard.store.layout import Layout
from rpa_shard.store.lease_validity import LeaseValidity
from rpa_shard.store.outcome import completed

FOR_EVER = 10_000.0


async def turns(number: int = 50) -> None:
    """Lets the loop and its threads work for a while."""
    for _ in range(number):
        await asyncio.sleep(0.001)


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    made = DataFolder(tmp_path)
    with open_ledger(made, Layout(8, 1)) as ledger:
        ledger.add([f"2401.{number:05}" for number in range(1, 10)])
    return made


async def test_results_are_written_when_they_make_a_group(folder: DataFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouping, "GROUP_SECONDS", FOR_EVER)
    async with engine_of(folder).open_store(0, 60, group=2) as store:
        first, second = await store.claim(PREP, 2)
        saving = asyncio.ensure_future(store.finish(first, completed(PREP, {})))
        await turns()
        assert not saving.done()
        assert await store.finish(second, completed(PREP, {}))
        assert await saving


async def test_papers_are_claimed_when_idle_workers_make_a_group(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims_module, "GATHER_SECONDS", FOR_EVER)
    async with engine_of(folder).open_store(0, 60) as store:
        claims = Claims(store, Counters(), [PREP], 2, LeaseValidity(300.0))
        feeding = asyncio.create_task(claims.feed())
        waiting = asyncio.ensure_future(claims.next())
        await turns()
        assert not waiting.done()
        other = await claims.next()
        claim = await waiting
        assert claim is not None
        assert other is not None
        assert claim.paper_id != other.paper_id
        alone = asyncio.ensure_future(claims.next())
        await turns()
        assert not alone.done()
        claims.close()
        assert await alone is None
        await feeding


async def test_one_that_stays_alone_waits_no_longer_than_it_has_to(folder: DataFolder) -> None:
    async with engine_of(folder).open_store(0, 60, group=100) as store:
        claims = Claims(store, Counters(), [PREP], 100, LeaseValidity(300.0))
        feeding = asyncio.create_task(claims.feed())
        claim = await claims.next()
        assert claim is not None
        assert await store.finish(claim, completed(PREP, {}))
        claims.close()
        await feeding
