"""What a worker does when the lease of its paper turns out to be lost, with a real store and a real worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from rpa_shard.model.paper import Claim
from rpa_shard.model.phase import PREP
from rpa_shard.phases.runner import Attempt, Result, Slots
from rpa_shard.shard.claims import Claims
from rpa_shard.shard.vitals import Counters
from rpa_shard.shard.worker import Worker, WorkerContext
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import engine_of, open_ledger
from rpa_shard.store.layout import Layout
from rpa_shard.store.lease_validity import LeaseValidity
from rpa_shard.store.outcome import released
from rpa_shard.store.protocol import Store
from tests.bare_runner import BareRunner

FIRST, SECOND = "2401.00001", "2401.00002"
RESULT = {"pages": 1}
PATIENCE_SECONDS = 20.0


@dataclass
class Runner(BareRunner):
    """A phase's runner that does what a test says, which is told the number of the attempt, and remembers them."""

    work: Callable[[int, Attempt], Awaitable[None]]
    begun: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)

    async def run(self, claim: Claim, attempt: Attempt) -> Result:
        self.begun.append(claim.paper_id)
        try:
            await self.work(len(self.begun), attempt)
        except asyncio.CancelledError:
            self.cancelled.append(claim.paper_id)
            raise
        return RESULT


@dataclass
class Bench:
    """One worker over a store with two papers."""

    store: Store
    claims: Claims
    worker: Worker
    counters: Counters
    renewing: asyncio.Task[None]
    working: asyncio.Task[None]
    folder: DataFolder

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not holds():
                await asyncio.sleep(0.005)

    async def take_away(self) -> None:
        """Another holder ends the claim of the paper in work."""
        (claim,) = self.claims._held.values()
        assert await self.store.finish(claim, released(PREP, "somebody took it"))

    def events(self, paper_id: str) -> list[str]:
        with open_ledger(self.folder) as ledger:
            return [line.event for line in ledger.history(paper_id)]

    @property
    def lost(self) -> int:
        return self.counters.work({}, {}).lost_leases


@asynccontextmanager
async def bench(
    tmp_path: Path, runner: Runner, leases: LeaseValidity | None = None, renew_seconds: float = 0.01
) -> AsyncIterator[Bench]:
    folder, counters = DataFolder(tmp_path / "data"), Counters()
    with open_ledger(folder, Layout(1, 1)) as ledger:
        ledger.add([FIRST])
        ledger.add([SECOND], -1)
    async with engine_of(folder).open_store(0, 300) as store:
        claims = Claims(store, counters, [PREP], 1, leases or LeaseValidity(300.0))
        worker = Worker(WorkerContext(claims, {PREP: runner}, Slots({}), counters, 1.0))
        feeding, renewing = asyncio.create_task(claims.feed()), asyncio.create_task(claims.renew(renew_seconds))
        made = Bench(store, claims, worker, counters, renewing, asyncio.create_task(worker.run()), folder)
        try:
            yield made
            claims.close()
            async with asyncio.timeout(PATIENCE_SECONDS):
                await asyncio.gather(feeding, made.working)
            assert not renewing.done(), "it goes on"
        finally:
            for each in (feeding, renewing, made.working):
                each.cancel()
            await asyncio.gather(feeding, renewing, made.working, return_exceptions=True)


async def first_for_ever(number: int, attempt: Attempt) -> None:
    if number == 1:
        await asyncio.sleep(3600)


async def test_an_attempt_is_interrupted_and_its_worker_goes_on(tmp_path: Path) -> None:
    runner = Runner(first_for_ever)
    async with bench(tmp_path, runner) as it:
        await it.until(lambda: runner.begun == [FIRST])
        await it.take_away()
        await it.until(lambda: len(runner.begun) == 3 and it.claims.held == 0)
        assert runner.cancelled == [FIRST]
        assert it.lost == 1
        assert it.events(FIRST) == ["released", "prepped"], "somebody's, and that of a later claim"
        assert it.events(SECOND) == ["prepped"]


async def test_what_must_finish_is_waited_for_and_then_interrupted(tmp_path: Path) -> None:
    may_go_on, was_wanted = asyncio.Event(), asyncio.Event()

    async def must_finish(number: int, attempt: Attempt) -> None:
        if number == 1:
            attempt.must_finish()
            attempt.when_wanted_back(was_wanted.set)
            await may_go_on.wait()
            attempt.when_wanted_back(None)
            attempt.may_be_interrupted()
            raise AssertionError("it went on")

    runner = Runner(must_finish)
    async with bench(tmp_path, runner) as it:
        await it.until(lambda: runner.begun == [FIRST])
        await it.take_away()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await was_wanted.wait()
        assert runner.cancelled == []
        may_go_on.set()
        await it.until(lambda: len(runner.begun) == 3 and it.claims.held == 0)
        assert runner.cancelled == [FIRST]
        assert it.lost == 1


async def test_the_result_of_an_attempt_that_finished_anyway_is_thrown_away(tmp_path: Path) -> None:
    may_go_on = asyncio.Event()

    async def must_finish(number: int, attempt: Attempt) -> None:
        attempt.must_finish()
        await may_go_on.wait()

    runner = Runner(must_finish)
    async with bench(tmp_path, runner) as it:
        await it.until(lambda: runner.begun == [FIRST])
        await it.take_away()
        may_go_on.set()
        await it.until(lambda: len(runner.begun) == 3 and it.claims.held == 0)
        assert it.lost == 1
        assert it.events(FIRST) == ["released", "prepped"]


@pytest.mark.parametrize("drains_first", [True, False])
async def test_a_drain_at_the_same_moment_ends_the_worker(tmp_path: Path, *, drains_first: bool) -> None:
    runner = Runner(first_for_ever)
    async with bench(tmp_path, runner) as it:
        await it.until(lambda: runner.begun == [FIRST])
        await it.take_away()
        (interrupt,) = it.claims._interrupts.values()
        together = [lambda: it.worker.drain(it.working), interrupt]
        for call in together if drains_first else reversed(together):
            call()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await it.working
        assert runner.begun == [FIRST]
        assert it.lost == 1


async def test_a_cancelled_worker_ends_although_its_lease_is_lost(tmp_path: Path) -> None:
    """The shard breaks."""
    runner = Runner(first_for_ever)
    async with bench(tmp_path, runner) as it:
        await it.until(lambda: runner.begun == [FIRST])
        await it.take_away()
        (interrupt,) = it.claims._interrupts.values()
        interrupt()
        it.working.cancel()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await it.working
        assert runner.begun == [FIRST]


async def test_a_lease_that_was_lost_before_its_turn_is_not_worked_on(tmp_path: Path) -> None:
    runner = Runner(first_for_ever)
    async with bench(tmp_path, runner) as it:
        await it.until(lambda: runner.begun == [FIRST])
        given = await it.store.claim(PREP, 1)
        assert [claim.paper_id for claim in given] == [SECOND]
        it.claims._lost.add(given[0].lease_id)
        outcome = await Worker(it.worker._context)._work_on(given[0])
        assert (outcome.event, outcome.detail) == ("released", "lease lost")
        assert runner.begun == [FIRST]
        await it.store.finish(given[0], outcome)
        await it.take_away()
        await it.until(lambda: len(runner.begun) == 3)


async def test_whoever_waits_for_a_renewal_does_not_go_on_with_a_lost_lease(tmp_path: Path) -> None:
    """As after a stop: the leases are in doubt, and the renewal that this causes finds out."""
    now = 0.0
    leases = LeaseValidity(300.0, lambda: now)
    may_look = asyncio.Event()
    sent: list[int] = []

    async def send(number: int, attempt: Attempt) -> None:
        await may_look.wait()
        await leases.wait()
        sent.append(number)

    runner = Runner(send)
    async with bench(tmp_path, runner, leases, renew_seconds=3600) as it:
        await it.until(lambda: runner.begun == [FIRST])
        await it.take_away()
        now += 400
        may_look.set()
        await it.until(lambda: len(runner.begun) == 3 and it.claims.held == 0)
        assert runner.cancelled == [FIRST]
        assert sent == [2, 3]
