"""What every ledger must do when papers are taken out of the queue, or sent back to be made again.

The tests know no engine: each runs once for every entry of `tests.contract.bench.ENGINES`.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from rpa_shard.model.failure import Failure
from rpa_shard.model.phase import ANALYZE, PHASES, PREP, Phase, Status
from rpa_shard.store.changes import Before, Changes, Target
from rpa_shard.store.layout import Layout
from rpa_shard.store.outcome import completed, failed, postponed, released
from rpa_shard.store.protocol import StoreEngine
from tests.contract.bench import Bench, row_of

PAPERS = ("2401.00001", "2401.00002", "2401.00003")
UNKNOWN = "2499.00001"


class Noted:
    """Notes the ids that are about to change."""

    def __init__(self) -> None:
        self.ids: list[str] = []

    def __call__(self, ids: Sequence[str]) -> None:
        self.ids += ids


def refuse(ids: Sequence[str]) -> None:
    raise OSError(5, "no")


def targets(*paper_ids: str) -> list[Target]:
    return [Target(each) for each in paper_ids]


def remove(bench: Bench, *paper_ids: str, before: Before | None = None) -> Changes:
    with bench.engine.open_ledger() as ledger:
        return ledger.remove(targets(*paper_ids), before)


def redo(bench: Bench, *paper_ids: str, before: Before | None = None) -> Changes:
    with bench.engine.open_ledger() as ledger:
        return ledger.redo(targets(*paper_ids), before)


async def test_a_removed_paper_and_its_history_are_gone(bench: Bench) -> None:
    claim = await bench.claim_one()
    await bench.store.finish(claim, completed(PREP, {"pages": 3}))
    other = await bench.claim_one()
    await bench.store.finish(other, failed(PREP, Failure.BUG, "x"))
    noted = Noted()
    assert remove(bench, UNKNOWN, claim.paper_id, claim.paper_id, before=noted) == Changes(done=1, unknown=1)
    assert sorted(noted.ids) == [claim.paper_id, UNKNOWN]
    with bench.engine.open_ledger() as ledger:
        assert ledger.paper(claim.paper_id) is None
        assert ledger.history(claim.paper_id) == []
        assert ledger.counts().by_status == {"pending": 1, "failed": 1}
        assert [line.event for line in ledger.history(other.paper_id)] == ["failed"]
        assert ledger.add([claim.paper_id]) == (1, 0), "it can come back"
    assert bench.row(claim.paper_id).results == {}


async def test_nothing_is_removed_twice(bench: Bench) -> None:
    assert remove(bench, *PAPERS) == Changes(done=3)
    noted = Noted()
    assert remove(bench, *PAPERS, before=noted) == Changes(unknown=3)
    assert sorted(noted.ids) == list(PAPERS)
    assert remove(bench) == Changes()
    assert await bench.store.claim(PREP, 10) == []


@pytest.mark.parametrize("phase", PHASES, ids=lambda phase: phase.name)
async def test_a_held_paper_is_neither_removed_nor_redone(bench: Bench, phase: Phase) -> None:
    claim = await bench.bring_to(phase)
    noted = Noted()
    assert remove(bench, claim.paper_id, before=noted) == Changes(held=1)
    assert redo(bench, claim.paper_id, before=noted) == Changes(held=1)
    assert noted.ids == []
    assert bench.row(claim.paper_id).lease_id == claim.lease_id
    assert await bench.store.finish(claim, completed(phase, {}))


async def test_a_paper_that_has_moved_on_is_left(bench: Bench) -> None:
    row = bench.row(PAPERS[0])
    claim = next(each for each in await bench.store.claim(PREP, 3) if each.paper_id == PAPERS[0])
    bench.clock.now += 10
    await bench.store.finish(claim, completed(PREP, {}))
    now = bench.row(PAPERS[0])
    with bench.engine.open_ledger() as ledger:
        for change in (ledger.remove, ledger.redo):
            noted = Noted()
            assert change([Target(row.paper_id, row.changed_at)], noted) == Changes(moved=1)
            assert noted.ids == []
        assert bench.row(PAPERS[0]) == now
        assert ledger.redo([Target(now.paper_id, now.changed_at)]) == Changes(done=1)
        again = bench.row(PAPERS[0])
        assert ledger.remove([Target(again.paper_id, again.changed_at)]) == Changes(done=1)


async def test_an_error_beforehand_leaves_the_rows(bench: Bench) -> None:
    claim = await bench.claim_one()
    await bench.store.finish(claim, completed(PREP, {}))
    row = bench.row(claim.paper_id)
    for change in (remove, redo):
        with pytest.raises(OSError, match="no"):
            change(bench, claim.paper_id, before=refuse)
        assert bench.row(claim.paper_id) == row
    assert bench.events(claim.paper_id) == ["prepped"]


@pytest.mark.parametrize("last", PHASES, ids=lambda phase: phase.name)
async def test_a_redo_drops_what_every_phase_made(bench: Bench, last: Phase) -> None:
    claim = await bench.bring_to(last)
    await bench.store.finish(claim, completed(last, {"by": last.name}))
    finished_at = bench.clock.now
    noted = Noted()
    assert redo(bench, claim.paper_id, before=noted) == Changes(done=1)
    assert noted.ids == [claim.paper_id]
    row = bench.row(claim.paper_id)
    assert (row.status, row.attempts, row.results) == (PREP.from_status, 0, {})
    assert row.outdated_before is not None
    assert row.outdated_before == int(row.outdated_before) > finished_at + 1
    line = bench.history(claim.paper_id)[-1]
    assert (line.event, line.phase, line.attempt, line.failure, line.detail) == ("redo", "prep", 0, None, None)
    assert redo(bench, claim.paper_id) == Changes(waiting=1), "repeating it changes nothing"
    assert bench.row(claim.paper_id) == row


@pytest.mark.parametrize("phase", PHASES, ids=lambda phase: phase.name)
async def test_a_redo_of_a_failed_paper(bench: Bench, phase: Phase) -> None:
    claim = await bench.bring_to(phase)
    await bench.store.finish(claim, failed(phase, Failure.POISON, "died", suspect=True))
    assert redo(bench, claim.paper_id) == Changes(done=1)
    row = bench.row(claim.paper_id)
    assert (row.status, row.failure, row.failed_phase, row.detail) == (Status.PENDING, None, None, None)
    assert (row.suspect, row.results) == (True, {})


async def test_a_redo_ends_when_it_is_made_again(bench: Bench) -> None:
    claim = await bench.claim_one()
    await bench.store.finish(claim, completed(PREP, {"pages": 3}))
    redo(bench, claim.paper_id)
    moment = bench.row(claim.paper_id).outdated_before
    bench.clock.now += 5
    again = await bench.claim_again(claim.paper_id)
    assert again.outdated_before == moment
    # An attempt that does not complete it leaves it outdated: handed back, postponed, failed and retried.
    await bench.store.finish(again, released(PREP, "shutdown", suspect=False))
    again = await bench.claim_again(claim.paper_id)
    await bench.store.finish(again, postponed(PREP, Failure.NETWORK, "x", 0.0, charged=True, suspect=False))
    again = await bench.claim_again(claim.paper_id)
    await bench.store.finish(again, failed(PREP, Failure.BAD_PDF, "x"))
    assert bench.row(claim.paper_id).outdated_before == moment
    with bench.engine.open_ledger() as ledger:
        assert list(ledger.retry(ids=[claim.paper_id])) == [claim.paper_id]
    again = await bench.claim_again(claim.paper_id)
    assert again.outdated_before == moment
    await bench.store.finish(again, completed(PREP, {"pages": 4}))
    row = bench.row(claim.paper_id)
    assert (row.status, row.outdated_before, row.results) == (Status.PREPPED, None, {"prep": {"pages": 4}})


async def test_a_second_redo_within_a_second_is_later_than_what_the_first_made(bench: Bench) -> None:
    """Records tell whole seconds, and a text that was made again is never older than the moment of its redo."""
    claim = await bench.claim_one()
    await bench.store.finish(claim, completed(PREP, {}))
    redo(bench, claim.paper_id)
    again = await bench.claim_again(claim.paper_id)
    await bench.store.finish(again, completed(PREP, {}))
    redo(bench, claim.paper_id)
    later = bench.row(claim.paper_id).outdated_before
    assert later is not None
    assert again.outdated_before is not None
    assert later >= again.outdated_before
    assert later > bench.clock.now + 1


async def test_what_is_outdated_can_be_told_apart(bench: Bench) -> None:
    bench.add("2401.00004")
    claims = await bench.store.claim(PREP, 3)
    for claim in claims:
        await bench.store.finish(claim, completed(PREP, {}))
    again = sorted(claim.paper_id for claim in claims[:2])
    redo(bench, *again)
    (waiting,) = {"2401.00004", *PAPERS} - {claim.paper_id for claim in claims}
    with bench.engine.open_ledger() as ledger:
        assert sorted(ledger.ids_with([Status.PENDING])) == sorted([*again, waiting])
        assert sorted(ledger.ids_with([Status.PENDING], outdated=True)) == again
        assert list(ledger.ids_with([Status.PENDING], outdated=False)) == [waiting]
        assert list(ledger.ids_with([Status.PREPPED], outdated=True)) == []


async def test_changes_in_all_shards_at_once(engine: StoreEngine) -> None:
    ids = [f"2401.{number:05}" for number in range(1, 61)]
    with engine.open_ledger(Layout(40, 3)) as ledger:
        ledger.add(ids)
        assert ledger.remove(targets(*reversed(ids[:30]))) == Changes(done=30)
        assert sorted(row.paper_id for row in ledger.papers()) == ids[30:]
    for shard in range(3):
        async with engine.open_store(shard, 300.0) as store:
            for claim in await store.claim(PREP, 60):
                await store.finish(claim, completed(PREP, {}))
    with engine.open_ledger() as ledger:
        assert ledger.redo(targets(*ids)) == Changes(done=30, unknown=30)
        assert ledger.counts().by_status == {"pending": 30}


async def test_a_resize_keeps_what_is_outdated(engine: StoreEngine) -> None:
    ids = [f"2401.{number:05}" for number in range(1, 21)]
    with engine.open_ledger(Layout(40, 1)) as ledger:
        ledger.add(ids)
    async with engine.open_store(0, 300.0) as store:
        for claim in await store.claim(PREP, 60):
            await store.finish(claim, completed(PREP, {}))
    with engine.open_ledger() as ledger:
        ledger.redo(targets(*ids))
    moments = {paper_id: row_of(engine, paper_id).outdated_before for paper_id in ids}
    assert None not in moments.values()
    engine.reshard(Layout(40, 3))
    assert {paper_id: row_of(engine, paper_id).outdated_before for paper_id in ids} == moments
    with engine.open_ledger() as ledger:
        assert sorted(ledger.ids_with([Status.PENDING], outdated=True)) == ids


async def test_a_death_while_it_is_made_again_keeps_it_outdated(bench: Bench) -> None:
    claim = await bench.claim_one()
    await bench.store.finish(claim, completed(PREP, {}))
    redo(bench, claim.paper_id)
    again = await bench.claim_again(claim.paper_id)
    bench.engine.reclaim(0, {claim.paper_id: True})
    row = bench.row(claim.paper_id)
    assert (row.outdated_before, row.suspect, row.attempts) == (again.outdated_before, True, 1)


async def test_requeueing_keeps_what_is_outdated(bench: Bench) -> None:
    claim = await bench.bring_to(ANALYZE)
    await bench.store.finish(claim, completed(ANALYZE, {}))
    redo(bench, claim.paper_id)
    moment = bench.row(claim.paper_id).outdated_before
    with bench.engine.open_ledger() as ledger:
        assert ledger.requeue(bench.row(claim.paper_id), PREP, "its files were damaged")
    assert bench.row(claim.paper_id).outdated_before == moment
