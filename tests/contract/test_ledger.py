"""What every ledger must do: add, count, look up, read through, and send papers back.

The tests know no engine: each runs once for every entry of `tests.contract.bench.ENGINES`.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from rpa_shard.model.errors import StoreError
from rpa_shard.model.failure import Failure
from rpa_shard.model.phase import ANALYZE, PHASES, PREP, WRAP, Phase, Status
from rpa_shard.store.catalogue import Member
from rpa_shard.store.layout import Layout
from rpa_shard.store.outcome import completed, failed, postponed, suspected
from rpa_shard.store.postgres.ledger import ledger as postgres_ledger
from rpa_shard.store.postgres.ledger import past as postgres_past
from rpa_shard.store.protocol import StoreEngine
from rpa_shard.store.rows import Event
from rpa_shard.store.selection import Selection
from rpa_shard.store.sqlite import ledger as ledger_module
from tests.contract.bench import LEASE_SECONDS, Bench, results_before

PAPERS = ("2401.00001", "2401.00002", "2401.00003")
URL = "https://example.org/notes.pdf"


def test_nothing_is_opened_where_nothing_is(engine: StoreEngine) -> None:
    with pytest.raises(StoreError, match="no papers"), engine.open_ledger():
        pass


def test_a_new_paper_is_queued_once(engine: StoreEngine) -> None:
    with engine.open_ledger(Layout(40, 3)) as ledger:
        assert ledger.layout == Layout(40, 3)
        assert ledger.add(PAPERS, priority=4) == (3, 0)
        assert ledger.add([*PAPERS, "2402.00001", "2402.00001"]) == (1, 4)
        row = ledger.paper("2401.00002")
        assert row is not None
        assert (row.worker, row.shard) == (Layout(40, 3).worker_of("2401.00002"), Layout(40, 3).shard_of("2401.00002"))
        assert (row.status, row.priority, row.attempts, row.results) == (Status.PENDING, 4, 0, {})
        assert (row.lease_id, row.lease_expires_at, row.suspect) == (None, None, False)
        assert (row.failure, row.failed_phase, row.detail) == (None, None, None)
        assert row.added_at == row.changed_at == row.next_attempt_at
        assert ledger.paper("2499.00001") is None
        assert ledger.history("2401.00002") == []
        assert ledger.counts().by_status == {"pending": 4}


def test_papers_come_shard_by_shard_in_order_of_id(engine: StoreEngine) -> None:
    ids = [f"2401.{number:05}" for number in range(1, 61)]
    layout = Layout(40, 3)
    with engine.open_ledger(layout) as ledger:
        ledger.add(reversed(ids))
        in_order = sorted(ids, key=lambda paper_id: (layout.shard_of(paper_id), paper_id))
        assert [row.paper_id for row in ledger.papers()] == in_order
        assert [row.paper_id for _, page in ledger.pages_to_verify() for row in page] == in_order
        assert all(layout.shard_of(row.paper_id) == shard for shard, page in ledger.pages_to_verify() for row in page)
        assert sorted(ledger.ids_with([Status.PENDING])) == ids


async def test_what_verify_looks_at(bench: Bench) -> None:
    claim = await bench.bring_to(ANALYZE)
    await bench.store.finish(claim, failed(ANALYZE, Failure.BUG, "x"))
    with bench.engine.open_ledger() as ledger:
        rows = {row.paper_id: row for _, page in ledger.pages_to_verify() for row in page}
    assert rows.keys() == set(PAPERS)
    row = rows[claim.paper_id]
    assert (row.status, row.failed_phase, row.changed_at) == ("failed", "analyze", bench.clock.now)
    assert json.loads(row.results or "") == results_before(ANALYZE)
    assert [each.results for paper_id, each in rows.items() if paper_id != claim.paper_id] == [None, None]


async def test_papers_are_counted_by_status_and_reason(bench: Bench, tmp_path: Path) -> None:
    bench.add(URL)
    for failure in (Failure.NOT_FOUND, Failure.BAD_PDF):
        await bench.store.finish(await bench.claim_one(), failed(PREP, failure, "x"))
    with bench.engine.open_ledger() as ledger:
        assert ledger.counts().by_status == {"pending": 2, "failed": 2}
        assert ledger.counts().by_failure == {"not_found": 1, "bad_pdf": 1}
        assert len(list(ledger.ids_with([Status.FAILED]))) == 2
        assert len(list(ledger.ids_with([Status.FAILED, Status.PENDING]))) == 4
        assert list(ledger.ids_with([])) == []
        everything = list(Status)
        assert ledger.count_arxiv_papers(everything) == 3
        assert ledger.count_arxiv_papers(everything, except_archived=True) == 3
        assert ledger.count_arxiv_papers([Status.DONE]) == 0
        with bench.engine.open_catalogue(create=True) as catalogue:
            assert catalogue is not None
            catalogue.add_members(tmp_path / "a.tar", [Member("2401.00002", 512, 100), Member("2499.00001", 0, 1)])
        assert ledger.count_arxiv_papers(everything) == 3
        assert ledger.count_arxiv_papers(everything, except_archived=True) == 2


async def test_results_are_sampled_of_papers_that_a_phase_was_the_last_of(bench: Bench) -> None:
    for claim in await bench.store.claim(PREP, 3):
        await bench.store.finish(claim, completed(PREP, {"of": claim.paper_id}))
    (claim,) = await bench.store.claim(ANALYZE, 1)
    await bench.store.finish(claim, completed(ANALYZE, {"of": claim.paper_id}))
    with bench.engine.open_ledger() as ledger:
        others = [{"of": paper_id} for paper_id in PAPERS if paper_id != claim.paper_id]
        found = ledger.sample_results(PREP, 10)
        assert sorted(found, key=lambda each: str(each["of"])) == others
        assert len(ledger.sample_results(PREP, 1)) == 1
        assert ledger.sample_results(ANALYZE, 10) == [{"of": claim.paper_id}]
        assert ledger.sample_results(WRAP, 10) == []


async def test_events_are_counted_by_time_and_kind(bench: Bench) -> None:
    with bench.engine.open_ledger() as ledger:
        assert ledger.times_of_events() is None
        assert ledger.count_events(0.0, 4e9, 10) == {}
    begins = bench.clock.now
    claims = await bench.store.claim(PREP, 3)
    await bench.store.finish(claims[0], completed(PREP, {}))
    bench.clock.now += 10
    await bench.store.finish(claims[1], completed(PREP, {}))
    await bench.store.finish(claims[2], postponed(PREP, Failure.NETWORK, "x", 0.0, charged=True, suspect=False))
    bench.clock.now += 90
    await bench.store.finish(await bench.claim_again(claims[2].paper_id), failed(PREP, Failure.NOT_FOUND, "x"))
    with bench.engine.open_ledger() as ledger:
        assert ledger.times_of_events() == (begins, begins + 100)
        prepped = Event(0, "prepped", "prep", 1, None)
        network, not_found = Event(0, "postponed", "prep", 1, "network"), Event(0, "failed", "prep", 2, "not_found")
        assert ledger.count_events(begins, begins + 100, 1) == {prepped: 2, network: 1, not_found: 1}
        # What happens at the very end belongs to the last part.
        assert ledger.count_events(begins, begins + 100, 10) == {
            prepped: 1,
            prepped._replace(part=1): 1,
            network._replace(part=1): 1,
            not_found._replace(part=9): 1,
        }
        assert ledger.count_events(begins + 1, begins + 99, 1) == {prepped: 1, network: 1}
        assert ledger.count_events(begins, begins, 10) == {prepped: 1}
        assert ledger.count_events(begins + 11, begins + 99, 10) == {}


async def test_results_of_papers_that_have_changed_since_a_moment(bench: Bench) -> None:
    begins = bench.clock.now
    claims = await bench.store.claim(PREP, 3)
    for claim in claims[:2]:
        await bench.store.finish(claim, completed(PREP, {"of": claim.paper_id}))
        bench.clock.now += 10
    (claim,) = await bench.store.claim(ANALYZE, 1)
    await bench.store.finish(claim, failed(ANALYZE, Failure.BUG, "x"))
    await bench.store.finish(claims[2], failed(PREP, Failure.BUG, "x"))
    of = {claim.paper_id: {"of": claim.paper_id} for claim in claims}
    with bench.engine.open_ledger() as ledger:
        found = sorted(ledger.results(PREP), key=lambda each: str(each["of"]))
        assert found == [of[each] for each in sorted(claim.paper_id for claim in claims[:2])]
        assert list(ledger.results(ANALYZE)) == []
        # It has changed again since it was prepped.
        assert list(ledger.results(PREP, begins + 15)) == [of[claim.paper_id]]
        assert list(ledger.results(PREP, begins + 25)) == []


async def test_all_is_counted_however_little_is_read_at_a_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_module, "HISTORY_LINES", 2)
    monkeypatch.setattr(ledger_module, "PAGE_ROWS", 2)
    monkeypatch.setattr(postgres_past, "HISTORY_LINES", 2)
    monkeypatch.setattr(postgres_ledger, "PAGE_ROWS", 2)
    for claim in await bench.store.claim(PREP, 3):
        await bench.store.finish(claim, completed(PREP, {"pages": 3}))
    with bench.engine.open_ledger() as ledger:
        assert ledger.times_of_events() == (bench.clock.now, bench.clock.now)
        assert sum(ledger.count_events(0.0, 4e9, 1).values()) == 3
        assert list(ledger.results(PREP)) == [{"pages": 3}] * 3


async def test_leases_and_suspects_are_counted(bench: Bench) -> None:
    with bench.engine.open_ledger() as ledger:
        assert (ledger.leases().held, ledger.leases().oldest_claimed_at, ledger.suspects()) == (0, None, 0)
        first = await bench.claim_one()
        bench.clock.now += 10
        await bench.claim_one()
        leases = ledger.leases()
        assert (leases.held, leases.expired, leases.incoherent) == (2, 0, 0)
        assert leases.oldest_claimed_at == bench.clock.now - 10
        await bench.store.finish(first, suspected(PREP, "died", charged=True))
        assert (ledger.leases().held, ledger.suspects()) == (1, 1)
        again = await bench.claim_again(first.paper_id)
        assert ledger.suspects() == 1, "also while it runs alone"
        await bench.store.finish(again, failed(PREP, Failure.POISON, "died again", suspect=True))
        assert ledger.suspects() == 0, "it does not wait any more"


async def test_an_expired_lease_is_counted(engine: StoreEngine) -> None:
    with engine.open_ledger(Layout(200, 1)) as ledger:
        ledger.add(PAPERS)
        async with engine.open_store(0, -LEASE_SECONDS) as store:
            await store.claim(PREP, 2)
        assert (ledger.leases().held, ledger.leases().expired) == (2, 2)


@pytest.mark.parametrize("phase", PHASES, ids=lambda phase: phase.name)
async def test_a_retry_goes_back_to_the_failed_phase(bench: Bench, phase: Phase) -> None:
    claim = await bench.bring_to(phase)
    await bench.store.finish(claim, failed(phase, Failure.POISON, "died", suspect=True))
    with bench.engine.open_ledger() as ledger:
        assert list(ledger.retry()) == [claim.paper_id]
        assert list(ledger.retry()) == []
    row = bench.row(claim.paper_id)
    assert (row.status, row.attempts, row.suspect) == (phase.from_status, 0, True)
    assert (row.failure, row.failed_phase, row.detail) == (None, None, None)
    assert row.results == results_before(phase)
    last = bench.history(claim.paper_id)[-1]
    assert (last.event, last.phase, last.attempt) == ("retried", phase.name, 0)
    again = await bench.claim_again(claim.paper_id, phase)
    assert (again.attempt, again.suspect) == (1, True)


async def test_a_retry_by_reason_or_by_name_takes_no_other(bench: Bench) -> None:
    failures = (Failure.NETWORK, Failure.NETWORK, Failure.POISON)
    claims = await bench.store.claim(PREP, 3)
    for claim, failure in zip(claims, failures, strict=True):
        await bench.store.finish(claim, failed(PREP, failure, "x"))
    one, two, poisoned = (claim.paper_id for claim in claims)
    bench.add("2401.00200")
    with bench.engine.open_ledger() as ledger:
        assert list(ledger.retry(ids=[])) == []
        assert list(ledger.retry(Selection(reasons=(Failure.NETWORK,)), [poisoned])) == []
        assert list(ledger.retry(ids=[one, "2401.00200", "2499.00001"])) == [one]
        assert list(ledger.retry(Selection(reasons=(Failure.NETWORK,)))) == [two]
        assert list(ledger.retry(Selection(reasons=(Failure.NETWORK,)))) == []
        assert list(ledger.retry(Selection(reasons=(Failure.POISON,)), [poisoned])) == [poisoned]


@pytest.mark.parametrize("phase", PHASES, ids=lambda phase: phase.name)
async def test_a_requeue_forgets_what_the_phase_and_later_ones_yielded(bench: Bench, phase: Phase) -> None:
    claim = await bench.bring_to(WRAP)
    await bench.store.finish(claim, completed(WRAP, {"by": "wrap"}))
    with bench.engine.open_ledger() as ledger:
        assert ledger.requeue(bench.row(claim.paper_id), phase, "its files were damaged")
    row = bench.row(claim.paper_id)
    assert (row.status, row.attempts, row.results) == (phase.from_status, 0, results_before(phase))
    last = bench.history(claim.paper_id)[-1]
    assert (last.event, last.phase, last.detail) == ("requeued", phase.name, "its files were damaged")
    assert (await bench.claim_again(claim.paper_id, phase)).attempt == 1


async def test_a_failed_paper_can_be_requeued(bench: Bench) -> None:
    claim = await bench.bring_to(ANALYZE)
    await bench.store.finish(claim, failed(ANALYZE, Failure.BUG, "x"))
    with bench.engine.open_ledger() as ledger:
        assert ledger.requeue(bench.row(claim.paper_id), PREP, "its files were damaged")
    row = bench.row(claim.paper_id)
    assert (row.status, row.failed_phase, row.failure, row.results) == (Status.PENDING, None, None, {})


async def test_a_row_that_changed_or_is_held_is_not_requeued(bench: Bench) -> None:
    claim = await bench.bring_to(ANALYZE)
    held = bench.row(claim.paper_id)
    await bench.store.finish(claim, completed(ANALYZE, {"by": "analyze"}))
    row = bench.row(claim.paper_id)
    with bench.engine.open_ledger() as ledger:
        for other in (held, replace(row, changed_at=row.changed_at - 1), replace(row, status=Status.PREPPED)):
            assert not ledger.requeue(other, PREP, "x")
        assert not ledger.requeue(replace(row, paper_id="2499.00001"), PREP, "x")
        (claim,) = await bench.store.claim(WRAP, 1)
        assert not ledger.requeue(bench.row(claim.paper_id), PREP, "x")
    assert bench.row(claim.paper_id).status is Status.WRAPPING
    assert bench.events(claim.paper_id) == ["prepped", "analyzed"]
