"""Two nodes over one database: each covers all papers, and only time takes a paper from a node."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from psycopg.errors import IdleInTransactionSessionTimeout

from rpa_shard.model.errors import StoreError
from rpa_shard.model.phase import PREP
from rpa_shard.store.layout import Layout, StoredLayout
from rpa_shard.store.outcome import completed
from rpa_shard.store.postgres import connections
from rpa_shard.store.postgres.engine import PostgresEngine
from rpa_shard.store.postgres.shard.store import PostgresStore
from tests.contract.bench import LEASE_SECONDS, Clock
from tests.postgres import SERVER

IDS = [f"2401.{number:05}" for number in range(1, 41)]


@pytest.fixture
def engines(tmp_path: Path) -> Iterator[list[PostgresEngine]]:
    """Node a with one shard, node b with three; 40 papers."""
    url, clock = SERVER.new_database(), Clock()
    made = [PostgresEngine(tmp_path / node, url, node, 0.0, clock) for node in ("a", "b")]
    for engine, shards in zip(made, (1, 3), strict=True):
        with engine.open_ledger(Layout(12, shards)) as ledger:
            ledger.add(IDS)
    yield made
    SERVER.drop_databases()


@pytest.fixture
async def stores(engines: list[PostgresEngine]) -> AsyncIterator[tuple[PostgresStore, list[PostgresStore]]]:
    a, b = engines
    async with AsyncExitStack() as opened:
        of_a = await opened.enter_async_context(a.open_store(0, LEASE_SECONDS))
        yield of_a, [await opened.enter_async_context(b.open_store(shard, LEASE_SECONDS)) for shard in range(3)]


def clock_of(engine: PostgresEngine) -> Clock:
    assert isinstance(engine.clock, Clock)
    return engine.clock


async def test_the_parts_of_nodes_overlap_and_no_paper_is_claimed_twice(
    stores: tuple[PostgresStore, list[PostgresStore]],
) -> None:
    of_a, of_b = stores
    assert sum([sum((await each.counts()).by_status.values()) for each in of_b]) == len(IDS)
    assert (await of_a.counts()).by_status == {"pending": len(IDS)}
    claims = [claim for store in (of_a, *of_b, of_a) for claim in await store.claim(PREP, 11)]
    claims += [claim for store in of_b for claim in await store.claim(PREP, 40)]
    assert sorted(claim.paper_id for claim in claims) == IDS


async def test_only_time_takes_a_paper_from_another_node(
    engines: list[PostgresEngine], stores: tuple[PostgresStore, list[PostgresStore]]
) -> None:
    of_a, of_b = stores
    clock = clock_of(engines[0])
    kept, forgotten = await of_a.claim(PREP, 2)
    clock.now += LEASE_SECONDS / 2
    assert await of_a.renew([kept, forgotten]) == set()
    clock.now += LEASE_SECONDS * 3 / 4
    assert await of_a.renew([kept]) == set()
    assert [engines[1].reclaim(shard, {}) for shard in range(3)] == [0, 0, 0], "they are another node's"
    assert sum([await each.reclaim_expired(()) for each in of_b]) == 0
    clock.now += LEASE_SECONDS / 2
    assert sum([await each.reclaim_expired(()) for each in of_b]) == 1
    assert not await of_a.finish(forgotten, completed(PREP, {})), "the late one meets the fence"
    assert await of_a.renew([kept, forgotten]) == {forgotten.lease_id}
    assert await of_a.finish(kept, completed(PREP, {}))
    with engines[1].open_ledger() as ledger:
        assert [line.event for line in ledger.history(forgotten.paper_id)] == ["released"]
        assert [line.event for line in ledger.history(kept.paper_id)] == ["prepped"]


async def test_a_node_that_is_started_again_takes_back_what_its_shards_held(
    engines: list[PostgresEngine], stores: tuple[PostgresStore, list[PostgresStore]]
) -> None:
    of_a, of_b = stores
    claims = await of_a.claim(PREP, 5)
    others = [claim for each in of_b for claim in await each.claim(PREP, 1)]
    assert await of_a.renew(claims) == set()
    assert engines[0].reclaim(0, {claims[0].paper_id: True}) == 5
    assert await of_a.renew(claims) == {claim.lease_id for claim in claims}
    for store, claim in zip(of_b, others, strict=True):
        assert await store.renew([claim]) == set()


async def test_a_node_that_stops_in_the_middle_of_a_change_keeps_no_papers(
    engines: list[PostgresEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = clock_of(engines[0])
    monkeypatch.setattr(connections, "IDLE_TRANSACTION_SECONDS", 0.2)
    async with engines[0].open_store(0, LEASE_SECONDS) as stopped, engines[1].open_store(0, LEASE_SECONDS) as other:
        claims = await stopped.claim(PREP, 2)
        async with stopped._writer.use() as connection:
            with pytest.raises(IdleInTransactionSessionTimeout):  # it is told, where it goes on
                async with connection.transaction():
                    await connection.execute("SELECT FROM papers WHERE lease_id IS NOT NULL FOR UPDATE")
                    clock.now += 2 * LEASE_SECONDS
                    assert await other.reclaim_expired(()) == 0, "they are locked"
                    async with asyncio.timeout(20):
                        while not await other.reclaim_expired(()):
                            await asyncio.sleep(0.05)
                    await connection.execute("SELECT")
        assert await stopped.renew(claims) == {claim.lease_id for claim in claims}


def test_each_node_has_its_own_number_of_shards(engines: list[PostgresEngine]) -> None:
    a, b = engines
    with a.layout_lock(wait=False), b.layout_lock(wait=False):
        assert a.reshard(Layout(12, 4)) > 0
    assert a.stored_layout() == StoredLayout(Layout(12, 4))
    assert b.stored_layout() == StoredLayout(Layout(12, 3))


async def test_workers_do_not_change_while_another_node_is_at_work(engines: list[PostgresEngine]) -> None:
    a, b = engines
    real = PostgresEngine(b.root, b.url, b.node, 0.0)
    async with real.open_store(0, LEASE_SECONDS):
        with pytest.raises(StoreError, match="while other nodes are at work: b"):
            a.reshard(Layout(24, 1))
    assert a.stored_layout() == StoredLayout(Layout(12, 1))
