"""What every store must do: exclusive charged claims, fenced ends, leases that agree with statuses.

The tests know no engine: each runs once for every entry of `ENGINES`, which is how a new one is added.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest

from rpa_shard.model.failure import Failure
from rpa_shard.model.paper import Claim
from rpa_shard.model.phase import ANALYZE, PREP, WRAP, Status
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import open_ledger
from rpa_shard.store.layout import Layout
from rpa_shard.store.outcome import failed, postponed, released, suspected
from rpa_shard.store.protocol import Store
from rpa_shard.store.rows import PaperRow
from rpa_shard.store.sqlite.files import SQLiteFiles
from rpa_shard.store.sqlite.store import SQLiteStore

LEASE_SECONDS = 300.0
Engine = Callable[[Path, float, Callable[[], float] | None], AbstractAsyncContextManager[Store]]
ENGINES: Mapping[str, Engine] = {"sqlite": SQLiteStore.open}


@dataclass
class Clock:
    now: float = 2_000_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Bench:
    """A store over one shard file, with a clock that the test turns."""

    folder: DataFolder
    clock: Clock
    store: Store
    engine: Engine

    def row(self, paper_id: str) -> PaperRow:
        with open_ledger(self.folder) as ledger:
            row = ledger.paper(paper_id)
        assert row is not None
        return row

    def events(self, paper_id: str) -> list[str]:
        with open_ledger(self.folder) as ledger:
            return [line.event for line in ledger.history(paper_id)]

    def add(self, *paper_ids: str, priority: int = 0) -> None:
        with open_ledger(self.folder) as ledger:
            ledger.add(paper_ids, priority)

    def open_again(self) -> AbstractAsyncContextManager[Store]:
        return self.engine(SQLiteFiles(self.folder.root).shard_file(0), LEASE_SECONDS, self.clock)


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    return ENGINES[request.param]


@pytest.fixture
async def bench(tmp_path: Path, engine: Engine) -> AsyncIterator[Bench]:
    folder, clock = DataFolder(tmp_path / "data"), Clock()
    with open_ledger(folder, Layout(200, 1)) as ledger:
        ledger.add(["2401.00001", "2401.00002", "2401.00003"])
    async with engine(SQLiteFiles(folder.root).shard_file(0), LEASE_SECONDS, clock) as store:
        yield Bench(folder, clock, store, engine)


async def claim_one(bench: Bench) -> Claim:
    (claim,) = await bench.store.claim(PREP, 1)
    return claim


async def test_a_claim_leases_charges_and_holds(bench: Bench) -> None:
    claim = await claim_one(bench)
    row = bench.row(claim.paper_id)
    assert (row.status, row.lease_id, row.attempts) == (Status.PREPPING, claim.lease_id, 1)
    assert row.lease_expires_at == bench.clock.now + LEASE_SECONDS
    assert claim.attempt == 1


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
    claims = await bench.store.claim(PREP, 10)
    assert claims[0].paper_id == "2403.00001"
    assert claims[-1].paper_id == "2403.00002"
    assert len(claims) == 5


@pytest.mark.parametrize("save", ["save_prep_result", "save_expensive_result", "save_wrap_result"])
async def test_each_phase_saves_under_the_fence(bench: Bench, save: str) -> None:
    phases = {"save_prep_result": PREP, "save_expensive_result": ANALYZE, "save_wrap_result": WRAP}
    savers: dict[str, Callable[..., asyncio.Future[bool]]] = {name: getattr(bench.store, name) for name in phases}
    for name, phase in phases.items():
        (claim, *_) = await bench.store.claim(phase, 1)
        assert await savers[name](claim, {"by": name})
        row = bench.row(claim.paper_id)
        assert (row.status, row.lease_id, row.attempts) == (phase.to_status, None, 0)
        assert row.results[phase.name] == {"by": name}
        assert not await savers[name](claim, {"by": "a ghost"}), "a second save of the same claim must change nothing"
        assert bench.row(claim.paper_id).results[phase.name] == {"by": name}
        if name == save:
            break


async def test_a_lost_lease_changes_nothing(bench: Bench) -> None:
    zombie = await claim_one(bench)
    bench.clock.now += LEASE_SECONDS + 1
    assert await bench.store.reclaim_expired(()) == 1
    successor = next(claim for claim in await bench.store.claim(PREP, 3) if claim.paper_id == zombie.paper_id)
    assert not await bench.store.finish(zombie, completed(PREP, {"pages": 666}))
    assert bench.row(zombie.paper_id).lease_id == successor.lease_id
    assert await bench.store.finish(successor, completed(PREP, {"pages": 3}))
    assert bench.row(zombie.paper_id).results["prep"] == {"pages": 3}
    assert bench.events(zombie.paper_id) == ["released", "prepped"]


async def test_a_zombie_and_its_successor_in_one_group(bench: Bench) -> None:
    zombie = await claim_one(bench)
    bench.clock.now += LEASE_SECONDS + 1
    await bench.store.reclaim_expired(())
    successor = next(claim for claim in await bench.store.claim(PREP, 3) if claim.paper_id == zombie.paper_id)
    results = await asyncio.gather(
        bench.store.finish(zombie, completed(PREP, {"pages": 666})),
        bench.store.finish(successor, completed(PREP, {"pages": 3})),
    )
    assert list(results) == [False, True]
    assert bench.row(zombie.paper_id).results["prep"] == {"pages": 3}


async def test_renewal_extends_and_tells_what_was_lost(bench: Bench) -> None:
    kept, lost = await bench.store.claim(PREP, 2)
    await bench.store.finish(lost, released(PREP, "test"))
    bench.clock.now += 200
    assert await bench.store.renew([kept, lost]) == {lost.lease_id}
    bench.clock.now += 200
    assert await bench.store.reclaim_expired(()) == 0
    assert bench.row(kept.paper_id).lease_expires_at == bench.clock.now - 200 + LEASE_SECONDS


async def test_charging(bench: Bench) -> None:
    claim = await claim_one(bench)
    await bench.store.finish(claim, postponed(PREP, Failure.NETWORK, "refused", 60, charged=True, suspect=False))
    row = bench.row(claim.paper_id)
    assert (row.status, row.attempts, row.next_attempt_at) == (Status.PENDING, 1, bench.clock.now + 60)
    assert (row.failure, row.detail) == ("network", "refused")

    bench.clock.now += 61
    again = next(each for each in await bench.store.claim(PREP, 3) if each.paper_id == claim.paper_id)
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


async def test_failed_for_good_is_never_claimed_and_is_counted(bench: Bench) -> None:
    claim = await claim_one(bench)
    await bench.store.finish(claim, failed(PREP, Failure.NOT_FOUND, "HTTP 404"))
    assert len(await bench.store.claim(PREP, 10)) == 2
    counts = await bench.store.counts()
    assert counts.by_status == {"failed": 1, "prepping": 2}
    assert counts.by_failure == {"not_found": 1}


async def test_a_suspect_stays_one_until_it_is_done(bench: Bench) -> None:
    claim = await claim_one(bench)
    await bench.store.finish(claim, suspected(PREP, "died", charged=True))
    again = next(each for each in await bench.store.claim(PREP, 3) if each.paper_id == claim.paper_id)
    assert again.suspect
    assert again.attempt == 2
    await bench.store.finish(again, completed(PREP, {}))
    assert not bench.row(claim.paper_id).suspect


async def test_a_status_and_a_lease_that_disagree_cannot_be_written(bench: Bench) -> None:
    connection = sqlite3.connect(SQLiteFiles(bench.folder.root).shard_file(0))
    for statement in (
        "UPDATE papers SET status = 'prepping'",
        "UPDATE papers SET lease_id = 'x', lease_expires_at = 1",
        "UPDATE papers SET status = 'failed'",
        "UPDATE papers SET status = 'lost'",
        "UPDATE papers SET attempts = -1",
    ):
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute(statement)
    connection.close()


async def test_ends_that_arrive_together_are_all_written(bench: Bench) -> None:
    bench.add(*(f"2402.{number:05}" for number in range(1, 500)))
    claims = await bench.store.claim(PREP, 1000)
    written = await asyncio.gather(*(bench.store.finish(claim, completed(PREP, {"pages": 1})) for claim in claims))
    assert all(written)
    assert (await bench.store.counts()).by_status == {"prepped": 502}


async def test_what_waits_to_be_written_is_written_at_close(bench: Bench) -> None:
    async with bench.open_again() as store:
        (claim,) = await store.claim(PREP, 1)
        saving = asyncio.ensure_future(store.finish(claim, completed(PREP, {})))
        await asyncio.sleep(0)
    assert await saving
    assert bench.row(claim.paper_id).status is Status.PREPPED


async def test_what_is_written_is_seen_by_other_processes_for_good(tmp_path: Path, engine: Engine) -> None:
    """Regression: SQLite's locks were lost, so a reader's close took away the log that the store still wrote to."""
    folder = DataFolder(tmp_path)
    with open_ledger(folder, Layout(1, 1)) as ledger:
        ledger.add(["2401.00001", "2401.00002"])
    read = (
        "import sys; from pathlib import Path; from rpa_shard.store.folder import DataFolder;"
        "from rpa_shard.store.sqlite.ledger import open_ledger\n"
        "with open_ledger(DataFolder(Path(sys.argv[1]))) as ledger: print(ledger.counts().by_status.get('failed', 0))"
    )
    async with engine(SQLiteFiles(folder.root).shard_file(0), 60, None) as store:
        for failed_so_far in (1, 2):
            (claim,) = await store.claim(PREP, 1)
            assert await store.finish(claim, failed(PREP, Failure.NOT_FOUND, "gone"))
            for _ in range(2):
                reader = await asyncio.create_subprocess_exec(
                    sys.executable, "-c", read, str(tmp_path), stdout=asyncio.subprocess.PIPE
                )
                output, _ = await reader.communicate()
                assert int(output) == failed_so_far
