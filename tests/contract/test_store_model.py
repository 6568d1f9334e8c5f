"""Random sequences of all operations of a store: the real engine and the one in memory agree after every step."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from rpa_shard.model.failure import Failure
from rpa_shard.model.paper import Claim
from rpa_shard.model.phase import PHASES, Phase, Status, completed_phases
from rpa_shard.store.changes import Target
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import engine_of
from rpa_shard.store.layout import Layout
from rpa_shard.store.outcome import Outcome, completed, failed, postponed, reclaimed, released, suspected
from rpa_shard.store.protocol import Store, StoreEngine
from rpa_shard.store.rows import NEVER, PaperRow
from rpa_shard.store.selection import Selection
from rpa_shard.store.sqlite import ledger as ledger_module
from rpa_shard.store.sqlite import queue as queue_module
from rpa_shard.store.sqlite import reclaim as reclaim_module
from tests.contract.bench import Clock
from tests.memory_store import MemoryEngine
from tests.postgres import emptied_engine

WORKERS = 5
LEASE_SECONDS = 100.0
IDS = [*(f"2401.{number:05}" for number in range(1, 13)), "hep-th/9901001", "https://example.org/a.pdf"]
ids = st.sampled_from(IDS)
phases = st.sampled_from(PHASES)
failures = st.sampled_from([Failure.NETWORK, Failure.BAD_PDF, Failure.POISON])
flags = st.booleans()
seldom = st.sampled_from([False, False, False, True])
# What has failed within so many seconds is passed over; None: nothing is.
recently = st.none() | st.sampled_from([0.0, 30.0, 1000.0])
numbers = st.lists(st.integers(0, 50), min_size=1, max_size=3)

OUTCOMES: Mapping[str, Callable[[Phase, Failure, float, bool, bool], Outcome]] = {
    "completed": lambda phase, failure, delay, charged, suspect: completed(phase, {"delay": delay, "é": [None, "'"]}),
    "failed": lambda phase, failure, delay, charged, suspect: failed(phase, failure, "x", suspect=suspect),
    "postponed": lambda phase, failure, delay, charged, suspect: postponed(
        phase, failure, "x", delay, charged=charged, suspect=suspect
    ),
    "released": lambda phase, failure, delay, charged, suspect: released(phase, "x", suspect=suspect),
    "reclaimed": lambda phase, failure, delay, charged, suspect: reclaimed(phase, "x", suspect=suspect),
    "suspected": lambda phase, failure, delay, charged, suspect: suspected(phase, "x", charged=charged),
}


class TwoEngines(RuleBasedStateMachine):
    """Every rule does the same with both engines; lease ids are the only thing in which they may differ."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock(1_000_000.0)
        self.root = Path(tempfile.mkdtemp())
        self.patches = pytest.MonkeyPatch()
        self.engines: tuple[StoreEngine, StoreEngine] = (self.real_engine(), MemoryEngine(self.clock))
        self.loop = asyncio.Runner()
        self.opened = AsyncExitStack()
        self.stores: list[tuple[Store, Store]] = []
        # Pairs of claims of one paper, also of claims that were lost or ended long ago.
        self.claims: list[tuple[Claim, Claim]] = []

    def real_engine(self) -> StoreEngine:
        """SQLite's, whose modules take the time from the clock."""
        for module in (ledger_module, queue_module, reclaim_module):
            self.patches.setattr(module, "time", SimpleNamespace(time=self.clock))
        return engine_of(DataFolder(self.root / "data"))

    def claim_the_same(self, pair: tuple[Store, Store], phase: Phase, limit: int, since: float) -> Any:
        """What both claim."""
        return self._both(lambda which: pair[which].claim(phase, limit, since))

    def teardown(self) -> None:
        self.loop.run(self.opened.aclose())
        self.loop.close()
        self.patches.undo()
        shutil.rmtree(self.root)

    @initialize(
        shards=st.integers(1, 3),
        priorities=st.lists(st.integers(-1, 2), min_size=8, max_size=8),
        limits=st.lists(st.integers(0, 4), min_size=3, max_size=3),
        failing=st.lists(seldom, min_size=8, max_size=8),
    )
    def make(self, shards: int, priorities: list[int], limits: list[int], failing: list[bool]) -> None:
        """Papers that wait for every phase, and some that have failed in each."""
        for engine in self.engines:
            with engine.open_ledger(Layout(WORKERS, shards)) as ledger:
                for paper_id, priority in zip(IDS, priorities, strict=False):
                    ledger.add([paper_id], priority)
        self._open_stores(shards)
        for shard in range(shards):
            for phase, limit in zip(PHASES, limits, strict=True):
                before = len(self.claims)
                self._claim(shard, phase, limit)
                for number, pair in enumerate(self.claims[before:]):
                    fails = failing[number % len(failing)]
                    outcome = failed(phase, Failure.NETWORK, "x") if fails else completed(phase, {"by": phase.name})
                    self._finish([pair], outcome, wrong_shard=False)

    def _open_stores(self, shards: int) -> None:
        async def open_all() -> None:
            for shard in range(shards):
                real, model = [
                    await self.opened.enter_async_context(engine.open_store(shard, LEASE_SECONDS, self.clock))
                    for engine in self.engines
                ]
                self.stores.append((real, model))

        self.loop.run(open_all())

    def _both(self, of: Callable[[int], Coroutine[Any, Any, Any]]) -> tuple[Any, Any]:
        return self.loop.run(of(0)), self.loop.run(of(1))

    def _rows(self) -> dict[str, PaperRow]:
        with self.engines[1].open_ledger() as ledger:
            return {row.paper_id: row for row in ledger.papers()}

    def _some_claims(self, numbers: list[int], *, any_age: bool) -> list[tuple[Claim, Claim]]:
        """Current claims, or any past ones."""
        leases = {row.lease_id for row in self._rows().values()}
        found = [pair for pair in self.claims if any_age or pair[1].lease_id in leases]
        return [found[number % len(found)] for number in numbers] if found else []

    def _store_of(self, pair: tuple[Claim, Claim], which: int, *, wrong: bool) -> Store:
        """The store of the paper's shard, or of the next one."""
        with self.engines[1].open_ledger() as ledger:
            shard = ledger.layout.shard_of(pair[0].paper_id)
        return self.stores[(shard + wrong) % len(self.stores)][which]

    @rule(paper_ids=st.lists(ids, max_size=6), priority=st.integers(-1, 2))
    def add(self, paper_ids: list[str], priority: int) -> None:
        answers = []
        for engine in self.engines:
            with engine.open_ledger() as ledger:
                answers.append(ledger.add(paper_ids, priority))
        assert answers[0] == answers[1]

    @rule(shard=st.integers(0, 2), phase=phases, limit=st.integers(0, 5), since=recently)
    def claim(self, shard: int, phase: Phase, limit: int, since: float | None) -> None:
        self._claim(shard % len(self.stores), phase, limit, NEVER if since is None else self.clock.now - since)

    @rule(some=st.lists(phases, min_size=1, unique=True), papers=st.integers(1, 12), since=recently)
    def share_the_queue(self, some: list[Phase], papers: int, since: float | None) -> None:
        answers = []
        for engine in self.engines:
            with engine.open_ledger() as ledger:
                shares = ledger.shares_of_queue(some, papers, NEVER if since is None else self.clock.now - since)
                answers.append({shard: dict(by_phase) for shard, by_phase in shares.items()})
        assert answers[0] == answers[1]

    @rule(number=st.integers(0, 50), limit=st.integers(1, 3), complete=flags)
    def claim_what_waits(self, number: int, limit: int, complete: bool) -> None:
        """Claims in a phase and a shard with waiting papers, late phases first; perhaps completes the claim."""
        rows = list(self._rows().values())
        waiting = [(row, phase) for phase in reversed(PHASES) for row in rows if row.status is phase.from_status]
        if waiting:
            row, phase = waiting[number % len(waiting)]
            before = len(self.claims)
            self._claim(row.shard, phase, limit)
            for pair in self.claims[before:] if complete else []:
                self._finish([pair], completed(phase, {"by": phase.name}), wrong_shard=False)

    def _claim(self, shard: int, phase: Phase, limit: int, not_failed_since: float = NEVER) -> None:
        stores = self.stores[shard]
        next_attempts = self._both(lambda which: stores[which].next_attempt_at(phase, not_failed_since))
        assert next_attempts[0] == next_attempts[1]
        real, model = self.claim_the_same(stores, phase, limit, not_failed_since)
        by_id = {claim.paper_id: claim for claim in model}
        assert {claim.paper_id: replace(claim, lease_id="") for claim in real} == {
            paper_id: replace(claim, lease_id="") for paper_id, claim in by_id.items()
        }
        self.claims += [(claim, by_id[claim.paper_id]) for claim in real]

    @rule(
        numbers=numbers,
        any_age=seldom,
        wrong_shard=seldom,
        kind=st.sampled_from([*sorted(OUTCOMES), "failed"]),
        failure=failures,
        delay=st.sampled_from([0.0, 30.0, 200_000.0]),
        charged=flags,
        suspect=flags,
    )
    def finish(
        self,
        numbers: list[int],
        any_age: bool,
        wrong_shard: bool,
        kind: str,
        failure: Failure,
        delay: float,
        charged: bool,
        suspect: bool,
    ) -> None:
        """Ends one claim or several at once, current or lost long ago."""
        claims = self._some_claims(numbers, any_age=any_age)
        if claims:
            outcome = OUTCOMES[kind](claims[0][0].phase, failure, delay, charged, suspect)
            alike = [pair for pair in claims if pair[0].phase is outcome.phase]
            self._finish(alike, outcome, wrong_shard=wrong_shard)

    def _finish(self, claims: list[tuple[Claim, Claim]], outcome: Outcome, *, wrong_shard: bool) -> None:
        async def end(which: int) -> list[bool]:
            stores = [self._store_of(pair, which, wrong=wrong_shard) for pair in claims]
            ends = [store.finish(pair[which], outcome) for store, pair in zip(stores, claims, strict=True)]
            return await asyncio.gather(*ends)

        real, model = self._both(end)
        assert real == model

    @rule(numbers=numbers, any_age=seldom, shard=st.integers(0, 2))
    def renew(self, numbers: list[int], any_age: bool, shard: int) -> None:
        """Renews claims, also of other shards, which count as lost in this one."""
        stores, claims = self.stores[shard % len(self.stores)], self._some_claims(numbers, any_age=any_age)
        real, model = self._both(lambda which: stores[which].renew([pair[which] for pair in claims]))
        assert [pair[0].lease_id in real for pair in claims] == [pair[1].lease_id in model for pair in claims]

    @rule(numbers=numbers, shard=st.integers(0, 2), late=flags)
    def reclaim_expired(self, numbers: list[int], shard: int, late: bool) -> None:
        self.clock.now += (LEASE_SECONDS + 1) * late
        stores, held = self.stores[shard % len(self.stores)], self._some_claims(numbers, any_age=False)
        real, model = self._both(lambda which: stores[which].reclaim_expired({pair[which].lease_id for pair in held}))
        assert real == model

    @rule(seconds=st.sampled_from([1.0, 29.0, 101.0, 100_000.0, -50.0, -200_000.0]))
    def set_clock(self, seconds: float) -> None:
        """Sets the clock, forward or back."""
        self.clock.now += seconds

    @rule(shard=st.integers(0, 2), suspects=st.dictionaries(ids, flags, max_size=4))
    def reclaim(self, shard: int, suspects: dict[str, bool]) -> None:
        real, model = (engine.reclaim(shard % len(self.stores), suspects) for engine in self.engines)
        assert real == model

    @rule(paper_ids=st.none() | st.lists(ids, max_size=4), failure=st.none() | failures)
    def retry(self, paper_ids: list[str] | None, failure: Failure | None) -> None:
        answers = []
        for engine in self.engines:
            with engine.open_ledger() as ledger:
                answers.append(
                    sorted(ledger.retry(Selection(reasons=() if failure is None else (failure,)), paper_ids))
                )
        assert answers[0] == answers[1]

    @rule(
        statuses=st.lists(st.sampled_from(Status), max_size=3, unique=True),
        reasons=st.lists(failures, max_size=2, unique=True),
        paper_ids=st.none() | st.lists(ids, max_size=4),
    )
    def select(self, statuses: list[Status], reasons: list[Failure], paper_ids: list[str] | None) -> None:
        wanted = Selection(tuple(statuses), tuple(reasons))
        answers = []
        for engine in self.engines:
            with engine.open_ledger() as ledger:
                found = [row.paper_id for row in ledger.select(wanted, paper_ids)]
                assert ledger.count_selected(wanted, paper_ids) == len(found)
                answers.append(found if paper_ids is not None else sorted(found))
        assert answers[0] == answers[1]

    @rule(paper_id=ids, number=st.integers(0, 2), stale=flags)
    def requeue(self, paper_id: str, number: int, stale: bool) -> None:
        """To a phase that the paper has been through or is waiting for, as `verify --fix` does."""
        answers = []
        for engine in self.engines:
            with engine.open_ledger() as ledger:
                row = ledger.paper(paper_id)
                if row is None:
                    return
                through = completed_phases(row.status, row.failed_phase) or PHASES[:1]
                row = replace(row, changed_at=row.changed_at - 1) if stale else row
                answers.append(ledger.requeue(row, through[number % len(through)], "x"))
        assert answers[0] == answers[1]

    @rule(paper_ids=st.lists(ids, max_size=6), removes=seldom, as_read=flags, stale=seldom)
    def redo_or_remove(self, paper_ids: list[str], removes: bool, as_read: bool, stale: bool) -> None:
        rows = self._rows()
        times = {each: rows[each].changed_at - stale for each in paper_ids if each in rows and as_read}
        targets = [Target(each, times.get(each)) for each in paper_ids]
        answers = []
        for engine in self.engines:
            told: list[str] = []
            with engine.open_ledger() as ledger:
                done = (ledger.remove if removes else ledger.redo)(targets, told.extend)
            answers.append((done, sorted(told)))
        assert answers[0] == answers[1]

    @rule(workers=st.integers(3, 6), shards=st.integers(1, 3))
    def reshard(self, workers: int, shards: int) -> None:
        """As a resize does: no store is open, and all leases are free."""
        self.loop.run(self.opened.aclose())
        for engine in self.engines:
            for shard in range(len(self.stores)):
                engine.reclaim(shard, {})
            with engine.layout_lock():
                engine.reshard(Layout(workers, shards))
        self.stores.clear()
        self._open_stores(shards)

    @invariant()
    def all_rows_and_histories_agree(self) -> None:
        if self.stores:
            real, model = (self._state(engine) for engine in self.engines)
            assert real == model

    def _state(self, engine: StoreEngine) -> dict[str, Any]:
        with engine.open_ledger() as ledger:
            rows = [self._named(row) for row in ledger.papers()]
            pages = [row for _, page in ledger.pages_to_verify() for row in page]
            return {
                "layout": ledger.layout,
                "rows": rows,
                "history": {paper_id: ledger.history(paper_id) for paper_id in IDS},
                "counts": (ledger.counts(), ledger.leases(), ledger.suspects()),
                "pages": [row._replace(results=json.loads(row.results or "{}")) for row in pages],
                "to do": sorted(ledger.ids_with([Status.PENDING, Status.ANALYZED])),
                "again": sorted(ledger.ids_with([Status.PENDING, Status.PREPPING], outdated=True)),
                "arXiv": ledger.count_arxiv_papers([Status.PENDING, Status.PREPPED]),
                "sample": [len(ledger.sample_results(phase, 100)) for phase in PHASES],
            }

    def _named(self, row: PaperRow) -> PaperRow:
        """The row, with its lease id replaced by the number of the claim, which must exist."""
        if row.lease_id is None:
            return row
        (number,) = [
            number for number, pair in enumerate(self.claims) if row.lease_id in {claim.lease_id for claim in pair}
        ]
        return replace(row, lease_id=str(number))


class WithPostgreSQL(TwoEngines):
    """The same with PostgreSQL, which may choose among papers of one priority and second."""

    def real_engine(self) -> StoreEngine:
        return emptied_engine(self.root / "data", self.clock)

    def claim_the_same(self, pair: tuple[Store, Store], phase: Phase, limit: int, since: float) -> Any:
        before = self._rows()
        real = self.loop.run(pair[0].claim(phase, limit, since))
        expected = self.loop.run(pair[1].claim(phase, limit, since))

        def places(claims: list[Claim]) -> list[tuple[int, float]]:
            return sorted((-before[each.paper_id].priority, before[each.paper_id].next_attempt_at) for each in claims)

        assert places(real) == places(expected)
        memory = self.engines[1]
        assert isinstance(memory, MemoryEngine)
        for claim in expected:
            memory.papers.put(before[claim.paper_id])
        return real, self.loop.run(pair[1].claim_named(phase, [each.paper_id for each in real]))


TestTwoEngines = TwoEngines.TestCase
TestTwoEngines.settings = settings(
    max_examples=30,
    stateful_step_count=30,
    suppress_health_check=[HealthCheck.too_slow],
)
TestWithPostgreSQL = WithPostgreSQL.TestCase
TestWithPostgreSQL.settings = settings(
    max_examples=8,
    stateful_step_count=25,
    suppress_health_check=[HealthCheck.too_slow],
)
