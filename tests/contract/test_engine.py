"""What every engine must do: create a store, free the leases of dead processes, move papers, keep a catalogue.

The tests know no engine: each runs once for every entry of `tests.contract.bench.ENGINES`.
"""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest

from rpa_shard.model.errors import FolderBusyError
from rpa_shard.model.failure import Failure
from rpa_shard.model.phase import PHASES, PREP, Phase
from rpa_shard.store.catalogue import Member, PaperMetadata, Whereabouts
from rpa_shard.store.layout import Layout, StoredLayout
from rpa_shard.store.outcome import completed, failed, postponed, released, suspected
from rpa_shard.store.protocol import StoreEngine
from rpa_shard.store.rows import NEVER, PaperRow
from tests.contract.bench import LEASE_SECONDS, ONE_SHARD, Bench, results_before, row_of

IDS = [f"2401.{number:05}" for number in range(1, 101)]


def test_a_store_is_made_once(engine: StoreEngine) -> None:
    assert engine.stored_layout() is None
    assert engine.create(Layout(40, 2)) == StoredLayout(Layout(40, 2))
    assert engine.create(Layout(40, 5)) == StoredLayout(Layout(40, 2))
    assert engine.stored_layout() == StoredLayout(Layout(40, 2))
    with engine.open_ledger(Layout(7, 7)) as ledger:
        assert ledger.layout == Layout(40, 2)


def test_the_layout_stays_while_a_ledger_is_open(engine: StoreEngine) -> None:
    with engine.open_ledger(ONE_SHARD), pytest.raises(FolderBusyError), engine.layout_lock(wait=False):
        pass
    with engine.layout_lock(wait=False):
        pass
    with engine.layout_lock():
        pass


@pytest.mark.parametrize("phase", PHASES, ids=lambda phase: phase.name)
async def test_the_leases_of_a_dead_process_are_freed(bench: Bench, phase: Phase) -> None:
    """Suspects run alone from now on, charged or not; all others are handed back free of charge."""
    claims = [await bench.bring_to(phase) for _ in range(3)]
    killer, victim, other = (claim.paper_id for claim in claims)
    assert bench.engine.reclaim(0, {killer: True, victim: False, "2499.00001": True}) == 3
    assert bench.engine.reclaim(0, {killer: True}) == 0
    for paper_id, suspect, attempts, event in (
        (killer, True, 1, "suspected"),
        (victim, True, 0, "interrupted"),
        (other, False, 0, "reclaimed"),
    ):
        row = bench.row(paper_id)
        assert (row.status, row.suspect, row.attempts) == (phase.from_status, suspect, attempts)
        assert (row.lease_id, row.results) == (None, results_before(phase))
        last = bench.history(paper_id)[-1]
        assert (last.event, last.phase, last.attempt) == (event, phase.name, 1)
    for claim in claims:
        assert not await bench.store.finish(claim, completed(phase, {"by": "a ghost"}))


async def test_a_suspect_whose_process_dies_of_something_else_stays_one(bench: Bench) -> None:
    claim = await bench.claim_one()
    await bench.store.finish(claim, suspected(PREP, "died", charged=True))
    again = await bench.claim_again(claim.paper_id)
    assert bench.engine.reclaim(0, {}) == 3
    row = bench.row(again.paper_id)
    assert (row.suspect, row.attempts) == (True, 1)


async def test_leases_of_other_shards_stand(engine: StoreEngine) -> None:
    with engine.open_ledger(Layout(40, 2)) as ledger:
        ledger.add(IDS)
    async with engine.open_store(0, LEASE_SECONDS) as first, engine.open_store(1, LEASE_SECONDS) as second:
        claims = await first.claim(PREP, 1000), await second.claim(PREP, 2)
    assert {row_of(engine, claim.paper_id).shard for claim in claims[0]} == {0}
    assert engine.reclaim(0, {}) == len(claims[0])
    with engine.open_ledger() as ledger:
        assert ledger.leases().held == 2


async def test_a_wait_that_was_written_under_a_wrong_clock_counts_from_now_on(bench: Bench) -> None:
    """The clock of the bench is years ahead of the one that is used to free leases."""
    short, long = await bench.store.claim(PREP, 2)
    await bench.store.finish(short, postponed(PREP, Failure.NETWORK, "", 60, charged=True, suspect=False))
    await bench.store.finish(long, postponed(PREP, Failure.NETWORK, "", 1e7, charged=True, suspect=False))
    bench.engine.reclaim(0, {})
    rows = bench.row(short.paper_id), bench.row(long.paper_id)
    assert rows[0].next_attempt_at - rows[0].changed_at == pytest.approx(60)
    assert rows[1].next_attempt_at - rows[1].changed_at == pytest.approx(24 * 3600)
    assert rows[0].changed_at == rows[1].changed_at < bench.clock.now


async def filled(engine: StoreEngine) -> None:
    """A store with papers in different states."""
    with engine.open_ledger(Layout(40, 2)) as ledger:
        ledger.add(IDS)
    for shard in range(2):
        async with engine.open_store(shard, LEASE_SECONDS) as store:
            done, failing, waiting = await store.claim(PREP, 3)
            await store.finish(done, completed(PREP, {"pages": 3}))
            await store.finish(failing, failed(PREP, Failure.BAD_PDF, "x"))
            await store.finish(waiting, postponed(PREP, Failure.NETWORK, "x", 60, charged=True, suspect=True))


def rows_of(engine: StoreEngine) -> dict[str, PaperRow]:
    with engine.open_ledger() as ledger:
        rows = list(ledger.papers())
        for row in rows:
            assert row.worker == ledger.layout.worker_of(row.paper_id)
            assert row.shard == ledger.layout.shard_of(row.paper_id)
    assert len(rows) == len({row.paper_id for row in rows})
    return {row.paper_id: row for row in rows}


def stays(row: PaperRow) -> tuple[object, ...]:
    """What a move must not change."""
    return (row.priority, row.status, row.attempts, row.next_attempt_at, row.suspect, row.failure, row.failed_phase,
            row.detail, row.results, row.added_at, row.changed_at)  # fmt: skip


@pytest.mark.parametrize(
    "targets", [[Layout(40, 1)], [Layout(40, 5), Layout(40, 3)], [Layout(7, 2)], [Layout(100, 4), Layout(40, 2)]]
)
async def test_a_move_keeps_every_paper_and_its_history(engine: StoreEngine, targets: list[Layout]) -> None:
    await filled(engine)
    before = rows_of(engine)
    with engine.open_ledger() as ledger:
        history = {paper_id: ledger.history(paper_id) for paper_id in IDS}
    for target in targets:
        with engine.layout_lock():
            assert engine.reshard(target) > 0
            assert engine.reshard(target) == 0
        assert engine.stored_layout() == StoredLayout(target)
        after = rows_of(engine)
        assert {each: stays(row) for each, row in after.items()} == {each: stays(row) for each, row in before.items()}
        with engine.open_ledger() as ledger:
            assert {paper_id: ledger.history(paper_id) for paper_id in IDS} == history


async def test_an_intact_store_needs_no_repair(engine: StoreEngine) -> None:
    await filled(engine)
    before = rows_of(engine)
    with engine.layout_lock():
        report = engine.repair(lambda: pytest.fail("nobody asks for files"), {}, print)
    assert report.complete
    assert report.repaired == []
    assert rows_of(engine) == before


def test_the_catalogue(engine: StoreEngine) -> None:
    engine.create(ONE_SHARD)
    reader = engine.catalogue_reader()
    with engine.open_catalogue() as catalogue:
        assert catalogue is None
    assert reader.whereabouts("2401.00001") == Whereabouts()
    first = PaperMetadata("2401.00001", "A title", "A. Author", "We show.", "hep-th math.AG", "10.1/x", 2)
    with engine.open_catalogue(create=True) as catalogue:
        assert catalogue is not None
        assert not catalogue.has_members()
        assert catalogue.metadata("2401.00001") is None
        catalogue.add_metadata([first, PaperMetadata("2401.00002", "Other", "B", "C", "", None, 1)])
        catalogue.add_members(Path("/a b/x.tar"), [Member("2401.00001", 512, 100)])
        catalogue.add_members(Path("/a b/y.tar"), [Member("2401.00001", 1024, 90), Member("2401.00003", 0, 1)])
        catalogue.add_metadata([PaperMetadata("2401.00002", "Retold", "B", "C", "", None, 3)])
    with engine.open_catalogue() as catalogue:
        assert catalogue is not None
        assert catalogue.has_members()
        expected = {"title": "A title", "authors": "A. Author", "abstract": "We show.", "doi": "10.1/x"}
        expected_of_first = {**expected, "categories": ["hep-th", "math.AG"]}
        assert catalogue.metadata("2401.00001") == expected_of_first
        assert catalogue.metadata("2401.00001v2") == expected_of_first, "whichever version the id names"
        retold = catalogue.metadata("2401.00002")
        assert retold is not None
        assert (retold["title"], retold["categories"], retold["doi"]) == ("Retold", [], None)
        whereabouts = Whereabouts("tar:///a%20b/y.tar#offset=1024&size=90", "2")
        assert catalogue.whereabouts("2401.00001") == whereabouts, "a fact that is told again replaces the old one"
    assert reader.whereabouts("2401.00001") == whereabouts, "also when the catalogue was made after the reader"
    assert reader.whereabouts("2401.00002") == Whereabouts(None, "3")
    assert reader.whereabouts("2401.00003").version is None
    reader.close()


async def test_how_claims_have_ended_since_a_mark(bench: Bench) -> None:
    """Papers that were handed back have not ended."""
    bench.add("2402.00001", "2402.00002")
    assert (bench.engine.ended(0, None).claims, bench.engine.ended(0, 0).claims) == ({}, {})
    first = await bench.claim_one()
    await bench.store.finish(first, completed(PREP, {}))
    mark = bench.engine.ended(0, None).mark
    assert bench.engine.ended(0, 0).claims == {"prep": {"completed": 1}}
    assert bench.engine.ended(0, mark).claims == {}
    bench.clock.now += 1
    claims = [await bench.claim_one(PHASES[1]), *await bench.store.claim(PREP, 4)]
    waits = postponed(PREP, Failure.NETWORK, "", 5.0, charged=False, suspect=False)
    ends = (completed(PHASES[1], {}), completed(PREP, {}), failed(PREP, Failure.GONE, ""), waits, released(PREP, "x"))
    for claim, outcome in zip(claims, ends, strict=True):
        bench.clock.now += 1
        assert await bench.store.finish(claim, outcome)
    bench.engine.reclaim(0, {})
    ended = {"prep": {"completed": 1, "failed": 1, "postponed": 1}, PHASES[1].name: {"completed": 1}}
    assert bench.engine.ended(0, mark).claims == ended


async def test_the_first_of_the_queue_of_all_shards(engine: StoreEngine) -> None:
    """Later phases first, then by priority; last those whose time is still to come."""
    with engine.open_ledger(Layout(40, 3)) as ledger:
        ledger.add(IDS[:60])
        ledger.add(IDS[60:70], priority=1)
        ledger.add(IDS[70:], priority=-1)
        shard_of = ledger.layout.shard_of
    clock = time.time()
    begun: dict[int, int] = {}
    for shard in range(3):
        async with engine.open_store(shard, LEASE_SECONDS, lambda: clock) as store:
            done, later, *_ = claims = await store.claim(PREP, 3)
            begun[shard] = sum(each.paper_id in IDS[60:70] for each in claims[:2])
            await store.finish(done, completed(PREP, {}))
            await store.finish(later, postponed(PREP, Failure.NETWORK, "", 500.0, charged=True, suspect=False))
            await store.finish(claims[2], released(PREP, "x"))

    def shares(papers: int, since: float = NEVER) -> dict[int, dict[str, int]]:
        with engine.open_ledger() as ledger:
            found = ledger.shares_of_queue(PHASES[:2], papers, since)
            return {shard: dict(by_phase) for shard, by_phase in found.items()}

    assert shares(3) == {shard: {"analyze": 1} for shard in range(3)}
    urgent = Counter(shard_of(each) for each in IDS[60:70])
    assert shares(3 + 10 - sum(begun.values())) == {
        shard: {"analyze": 1} | ({"prep": urgent[shard] - begun[shard]} if urgent[shard] > begun[shard] else {})
        for shard in range(3)
    }
    everything = Counter(map(shard_of, IDS))
    assert shares(1000) == {shard: {"analyze": 1, "prep": everything[shard] - 1} for shard in range(3)}
    assert sum(each["prep"] for each in shares(97).values()) == 94
    assert shares(1000, clock) == {shard: {"analyze": 1, "prep": everything[shard] - 2} for shard in range(3)}
    assert shares(0) == {}
