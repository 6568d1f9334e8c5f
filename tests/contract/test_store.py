"""What every store must do: exclusive charged claims, fenced ends, leases that agree with statuses.

The tests know no engine: each runs once for every entry of `tests.contract.bench.ENGINES`.
"""

from __future__ import annotations

import asyncio

import pytest

from rpa_shard.model.failure import Failure
from rpa_shard.model.phase import PHASES, PREP, Phase, Status, completed_phases
from rpa_shard.store.outcome import completed, failed, postponed, reclaimed, released, suspected
from tests.contract.bench import LEASE_SECONDS, Bench, results_before


async def test_a_claim_leases_charges_and_holds(bench: Bench) -> None:
    claim = await bench.claim_one()
    row = bench.row(claim.paper_id)
    assert (row.status, row.lease_id, row.attempts) == (Status.PREPPING, claim.lease_id, 1)
    assert row.lease_expires_at == bench.clock.now + LEASE_SECONDS
    assert (claim.phase, claim.attempt, claim.suspect) == (PREP, 1, False)


async def test_claims_are_exclusive_under_concurrency(bench: Bench) -> None:
    bench.add(*(f"2402.{number:05}" for number in range(1, 200)))
    async with bench.open_again() as other:
        batches = await asyncio.gather(*(store.claim(PREP, 7) for store in (bench.store, other) * 20))
    claims = [claim for batch in batches for claim in batch]
    assert len(claims) == 202
    assert len({claim.paper_id for claim in claims}) == 202
    assert len({claim.lease_id for claim in claims}) == 202


async def test_highest_priority_goes_first_and_then_the_longest_waiting(bench: Bench) -> None:
    bench.add("2403.00001", priority=5)
    bench.add("2403.00002", priority=-1)
    assert (await bench.claim_one()).paper_id == "2403.00001"
    claims = await bench.store.claim(PREP, 2)
    for delay, claim in zip((-5.0, -10.0), claims, strict=True):
        await bench.store.finish(claim, postponed(PREP, Failure.NETWORK, "", delay, charged=True, suspect=False))
    order = [(await bench.claim_one()).paper_id for _ in range(4)]
    assert order[1:] == [claims[1].paper_id, claims[0].paper_id, "2403.00002"]


async def test_a_claim_goes_through_every_phase_under_the_fence(bench: Bench) -> None:
    claim = await bench.claim_one()
    paper_id = claim.paper_id
    await bench.store.finish(claim, released(PREP, "to begin with"))
    for place, phase in enumerate(PHASES):
        claim = await bench.claim_again(paper_id, phase)
        row = bench.row(paper_id)
        assert (row.status, row.attempts, row.lease_id) == (phase.active_status, 1, claim.lease_id)
        assert await bench.store.claim(phase, 10) == [], "a paper is held once"

        assert await bench.store.finish(claim, completed(phase, {"by": phase.name}))
        row = bench.row(paper_id)
        assert (row.status, row.attempts, row.lease_id, row.lease_expires_at) == (phase.to_status, 0, None, None)
        assert row.results == {each.name: {"by": each.name} for each in PHASES[: place + 1]}
        assert completed_phases(row.status, row.failed_phase) == PHASES[: place + 1]

        for outcome in (completed(phase, {"by": "a ghost"}), released(phase, "late"), failed(phase, Failure.BUG, "")):
            assert not await bench.store.finish(claim, outcome), "a second end of the same claim changes nothing"
        assert bench.row(paper_id) == row
    assert bench.row(paper_id).status is Status.DONE
    assert [(line.event, line.phase, line.attempt) for line in bench.history(paper_id)][1:] == [
        (phase.to_status, phase.name, 1) for phase in PHASES
    ]


@pytest.mark.parametrize("phase", PHASES, ids=lambda phase: phase.name)
async def test_a_failed_paper_names_its_phase_and_keeps_what_earlier_ones_yielded(bench: Bench, phase: Phase) -> None:
    claim = await bench.bring_to(phase)
    assert await bench.store.finish(claim, failed(phase, Failure.BAD_PDF, "no pages", suspect=True))
    row = bench.row(claim.paper_id)
    assert (row.status, row.failed_phase, row.failure, row.detail) == (
        Status.FAILED,
        phase.name,
        "bad_pdf",
        "no pages",
    )
    assert (row.attempts, row.suspect, row.lease_id) == (1, True, None)
    assert row.results == results_before(phase)
    assert completed_phases(row.status, row.failed_phase) == PHASES[: PHASES.index(phase)]
    last = bench.history(claim.paper_id)[-1]
    assert (last.event, last.phase, last.attempt, last.failure) == ("failed", phase.name, 1, "bad_pdf")
    for each in PHASES:
        assert claim.paper_id not in {found.paper_id for found in await bench.store.claim(each, 10)}


@pytest.mark.parametrize("phase", PHASES, ids=lambda phase: phase.name)
async def test_every_other_end_leads_back_to_where_the_phase_begins(bench: Bench, phase: Phase) -> None:
    claim = await bench.bring_to(phase)
    for outcome, attempts in (
        (released(phase, "drains"), 0),
        (reclaimed(phase, "died"), 0),
        (postponed(phase, Failure.RATE_LIMITED, "429", 0, charged=False, suspect=False), 0),
        (postponed(phase, Failure.NETWORK, "refused", 0, charged=True, suspect=False), 1),
        (suspected(phase, "died", charged=False), 1),
        (suspected(phase, "died", charged=True), 2),
    ):
        assert await bench.store.finish(claim, outcome)
        row = bench.row(claim.paper_id)
        assert (row.status, row.attempts, row.suspect) == (phase.from_status, attempts, outcome.suspect)
        assert (row.failed_phase, row.failure, row.results) == (None, outcome.failure, results_before(phase))
        claim = await bench.claim_again(claim.paper_id, phase)
        assert (claim.attempt, claim.suspect) == (attempts + 1, outcome.suspect)
    expected = ["released", "reclaimed", "postponed", "postponed", "interrupted", "suspected"]
    assert bench.events(claim.paper_id)[PHASES.index(phase) :] == expected


async def test_a_lost_lease_changes_nothing(bench: Bench) -> None:
    zombie = await bench.claim_one()
    bench.clock.now += LEASE_SECONDS + 1
    assert await bench.store.reclaim_expired(()) == 1
    successor = await bench.claim_again(zombie.paper_id)
    assert not await bench.store.finish(zombie, completed(PREP, {"pages": 666}))
    assert bench.row(zombie.paper_id).lease_id == successor.lease_id
    assert await bench.store.finish(successor, completed(PREP, {"pages": 3}))
    assert bench.row(zombie.paper_id).results["prep"] == {"pages": 3}
    assert bench.events(zombie.paper_id) == ["released", "prepped"]


async def test_a_zombie_and_its_successor_in_one_group(bench: Bench) -> None:
    zombie = await bench.claim_one()
    bench.clock.now += LEASE_SECONDS + 1
    await bench.store.reclaim_expired(())
    successor = await bench.claim_again(zombie.paper_id)
    results = await asyncio.gather(
        bench.store.finish(zombie, completed(PREP, {"pages": 666})),
        bench.store.finish(successor, completed(PREP, {"pages": 3})),
    )
    assert list(results) == [False, True]
    assert bench.row(zombie.paper_id).results["prep"] == {"pages": 3}


async def test_an_expired_lease_is_kept_while_its_holder_lives(bench: Bench) -> None:
    claim = await bench.claim_one()
    bench.clock.now += LEASE_SECONDS + 1
    assert await bench.store.reclaim_expired({claim.lease_id}) == 0
    assert bench.row(claim.paper_id).lease_id == claim.lease_id
    assert await bench.store.finish(claim, completed(PREP, {}))


async def test_a_lease_that_has_not_run_out_is_not_reclaimed(bench: Bench) -> None:
    claim = await bench.claim_one()
    bench.clock.now += LEASE_SECONDS
    assert await bench.store.reclaim_expired(()) == 0
    assert bench.row(claim.paper_id).status is Status.PREPPING


async def test_renewal_extends_and_returns_what_was_lost(bench: Bench) -> None:
    kept, lost = await bench.store.claim(PREP, 2)
    await bench.store.finish(lost, released(PREP, "test"))
    bench.clock.now += 200
    assert await bench.store.renew([kept, lost]) == {lost.lease_id}
    assert await bench.store.renew([]) == set()
    bench.clock.now += 200
    assert await bench.store.reclaim_expired(()) == 0
    assert bench.row(kept.paper_id).lease_expires_at == bench.clock.now - 200 + LEASE_SECONDS


async def test_charging(bench: Bench) -> None:
    claim = await bench.claim_one()
    await bench.store.finish(claim, postponed(PREP, Failure.NETWORK, "refused", 60, charged=True, suspect=False))
    row = bench.row(claim.paper_id)
    assert (row.status, row.attempts, row.next_attempt_at) == (Status.PENDING, 1, bench.clock.now + 60)
    assert (row.failure, row.detail) == ("network", "refused")

    bench.clock.now += 61
    again = await bench.claim_again(claim.paper_id)
    assert again.attempt == 2
    await bench.store.finish(again, postponed(PREP, Failure.RATE_LIMITED, "429", 60, charged=False, suspect=False))
    assert bench.row(claim.paper_id).attempts == 1
    assert bench.events(claim.paper_id) == ["postponed", "postponed"]


async def test_a_postponed_paper_waits_for_its_time(bench: Bench) -> None:
    for claim in await bench.store.claim(PREP, 3):
        await bench.store.finish(claim, postponed(PREP, Failure.NETWORK, "", 60, charged=True, suspect=False))
    assert await bench.store.claim(PREP, 3) == []
    assert await bench.store.next_attempt_at(PREP) == bench.clock.now + 60
    bench.clock.now += 60
    assert len(await bench.store.claim(PREP, 3)) == 3
    assert await bench.store.next_attempt_at(PREP) is None


async def test_papers_are_claimed_by_name_if_they_wait(bench: Bench) -> None:
    """Whatever their priority, and however long they were to wait."""
    bench.add("2401.00001", "2401.00002", "2401.00003")
    bench.add("2401.00004", priority=7)
    held = await bench.claim_again("2401.00002")
    for claim in await bench.store.claim_named(PREP, ["2401.00001"]):
        raise AssertionError(f"{claim} is held")
    postponed_for_long = postponed(PREP, Failure.NETWORK, "x", 3600.0, charged=True, suspect=False)
    assert await bench.store.finish(held, postponed_for_long)
    bench.add("2401.00005")
    claims = await bench.store.claim_named(PREP, ["2401.00005", "2401.00002", "2401.00001", "2499.00001"])
    assert {claim.paper_id: claim.attempt for claim in claims} == {"2401.00005": 1, "2401.00002": 2}
    assert len({claim.lease_id for claim in claims} | {held.lease_id}) == 3
    assert {bench.row(claim.paper_id).status for claim in claims} == {PREP.active_status}
    assert all([await bench.store.finish(claim, completed(PREP, {"by": "name"})) for claim in claims])
    assert await bench.store.claim_named(PREP, ["2401.00005"]) == []


async def test_the_next_attempt_is_the_earliest_of_any_priority(bench: Bench) -> None:
    bench.add("2403.00001", priority=5)
    (urgent, *others) = await bench.store.claim(PREP, 4)
    for claim, delay in zip((urgent, *others), (90, 60, 70, 80), strict=True):
        await bench.store.finish(claim, postponed(PREP, Failure.NETWORK, "", delay, charged=True, suspect=False))
    assert await bench.store.next_attempt_at(PREP) == bench.clock.now + 60
    for phase in PHASES[1:]:
        assert await bench.store.next_attempt_at(phase) is None


async def test_papers_that_have_failed_since_a_moment_are_passed_over(bench: Bench) -> None:
    begun = bench.clock.now
    early, late, unharmed = await bench.store.claim(PREP, 3)
    await bench.store.finish(unharmed, released(PREP, "x"))
    for claim in (early, late):
        bench.clock.now += 10
        await bench.store.finish(claim, postponed(PREP, Failure.NETWORK, "", 5.0, charged=True, suspect=False))
    bench.clock.now += 10
    assert await bench.store.next_attempt_at(PREP, begun + 20) == begun
    assert {each.paper_id for each in await bench.store.claim(PREP, 9, begun + 20)} == {
        early.paper_id,
        unharmed.paper_id,
    }
    assert await bench.store.next_attempt_at(PREP, begun + 20) is None
    assert await bench.store.claim(PREP, 9, begun + 20) == []
    assert [each.paper_id for each in await bench.store.claim(PREP, 9)] == [late.paper_id]


async def test_failed_for_good_is_never_claimed_and_is_counted(bench: Bench) -> None:
    claim = await bench.claim_one()
    await bench.store.finish(claim, failed(PREP, Failure.NOT_FOUND, "HTTP 404"))
    assert len(await bench.store.claim(PREP, 10)) == 2
    counts = await bench.store.counts()
    assert counts.by_status == {"failed": 1, "prepping": 2}
    assert counts.by_failure == {"not_found": 1}


async def test_a_suspect_stays_one_until_it_is_done(bench: Bench) -> None:
    claim = await bench.claim_one()
    await bench.store.finish(claim, suspected(PREP, "died", charged=True))
    again = await bench.claim_again(claim.paper_id)
    assert again.suspect
    assert again.attempt == 2
    bench.clock.now += LEASE_SECONDS + 1
    await bench.store.reclaim_expired(())
    assert bench.row(claim.paper_id).suspect, "the end of a lease clears nobody"
    again = await bench.claim_again(claim.paper_id)
    await bench.store.finish(again, completed(PREP, {}))
    assert not bench.row(claim.paper_id).suspect


async def test_ends_that_arrive_together_are_all_written(bench: Bench) -> None:
    bench.add(*(f"2402.{number:05}" for number in range(1, 500)))
    claims = await bench.store.claim(PREP, 1000)
    written = await asyncio.gather(*(bench.store.finish(claim, completed(PREP, {"pages": 1})) for claim in claims))
    assert all(written)
    assert (await bench.store.counts()).by_status == {"prepped": 502}


@pytest.mark.parametrize("turns", [1, 2, 3, 5, 10])
async def test_what_waits_to_be_written_is_written_at_close(bench: Bench, turns: int) -> None:
    """Including what is being written at that moment."""
    async with bench.open_again() as store:
        (claim,) = await store.claim(PREP, 1)
        saving = asyncio.ensure_future(store.finish(claim, completed(PREP, {})))
        for _ in range(turns):
            await asyncio.sleep(0)
    async with asyncio.timeout(5):
        assert await saving
    assert bench.row(claim.paper_id).status is Status.PREPPED


@pytest.mark.parametrize("turns", [1, 3, 10])
@pytest.mark.parametrize("group", [1, 2], ids=["at once", "waits for company"])
@pytest.mark.parametrize("closed", [False, True], ids=["in use", "closed"])
async def test_an_end_is_written_even_if_its_caller_is_cancelled(
    bench: Bench, turns: int, group: int, *, closed: bool
) -> None:
    async with bench.engine.open_store(0, LEASE_SECONDS, bench.clock, group=group) as store:
        (claim,) = await store.claim(PREP, 1)
        saving = asyncio.ensure_future(store.finish(claim, completed(PREP, {"pages": 1})))
        for _ in range(turns):
            await asyncio.sleep(0)
        saving.cancel()
        await asyncio.wait([saving])
        if not closed:
            assert not await store.finish(claim, released(PREP, "a second end")), "the first one has been written"
    row = bench.row(claim.paper_id)
    assert (row.status, row.lease_id, row.results) == (Status.PREPPED, None, {"prep": {"pages": 1}})


async def test_two_ends_of_one_paper_are_both_answered_at_close(bench: Bench) -> None:
    async with bench.open_again() as store:
        (zombie,) = await store.claim(PREP, 1)
        bench.clock.now += LEASE_SECONDS + 1
        await store.reclaim_expired(())
        successor = next(each for each in await store.claim(PREP, 3) if each.paper_id == zombie.paper_id)
        ends = [asyncio.ensure_future(store.finish(each, completed(PREP, {}))) for each in (zombie, successor)]
        await asyncio.sleep(0)
    async with asyncio.timeout(5):
        assert await asyncio.gather(*ends) == [False, True]
