"""Fixtures of the contract tests: each engine in turn, empty or with three papers and an open store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from rpa_shard.store.protocol import StoreEngine
from tests.contract.bench import ENGINES, LEASE_SECONDS, ONE_SHARD, Bench, Clock
from tests.postgres import SERVER


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StoreEngine]:
    """An engine without a store yet."""
    yield ENGINES[request.param](tmp_path / "data")
    SERVER.drop_databases()


@pytest.fixture
async def bench(engine: StoreEngine) -> AsyncIterator[Bench]:
    """One shard with three papers."""
    clock = Clock()
    with engine.open_ledger(ONE_SHARD) as ledger:
        ledger.add(["2401.00001", "2401.00002", "2401.00003"])
    async with engine.open_store(0, LEASE_SECONDS, clock) as store:
        yield Bench(engine, clock, store)
