"""Shared parts of the contract tests: the engines, and a store with a clock that the test sets.

A new engine is added by one more entry in `ENGINES`; every contract test runs once for each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

from rpa_shard.model.paper import Claim
from rpa_shard.model.phase import PHASES, PREP, Phase
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import engine_of
from rpa_shard.store.layout import Layout
from rpa_shard.store.outcome import completed
from rpa_shard.store.protocol import Store, StoreEngine
from rpa_shard.store.rows import HistoryLine, PaperRow
from tests.memory_store import MemoryEngine
from tests.postgres import postgres_engine

LEASE_SECONDS = 300.0
ONE_SHARD = Layout(200, 1)
ENGINES: Mapping[str, Callable[[Path], StoreEngine]] = {
    "sqlite": lambda root: engine_of(DataFolder(root)),
    "memory": lambda root: MemoryEngine(),
    "postgresql": postgres_engine,
}


@dataclass
class Clock:
    now: float = 2_000_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Bench:
    """An engine, and the open store of its one shard."""

    engine: StoreEngine
    clock: Clock
    store: Store

    def row(self, paper_id: str) -> PaperRow:
        return row_of(self.engine, paper_id)

    def history(self, paper_id: str) -> list[HistoryLine]:
        with self.engine.open_ledger() as ledger:
            return ledger.history(paper_id)

    def events(self, paper_id: str) -> list[str]:
        return [line.event for line in self.history(paper_id)]

    def add(self, *paper_ids: str, priority: int = 0) -> None:
        with self.engine.open_ledger() as ledger:
            ledger.add(paper_ids, priority)

    def open_again(self) -> AbstractAsyncContextManager[Store]:
        return self.engine.open_store(0, LEASE_SECONDS, self.clock)

    async def claim_one(self, phase: Phase = PREP) -> Claim:
        (claim,) = await self.store.claim(phase, 1)
        return claim

    async def claim_again(self, paper_id: str, phase: Phase = PREP) -> Claim:
        """Claims all waiting papers; returns the claim of this one."""
        return next(claim for claim in await self.store.claim(phase, 1000) if claim.paper_id == paper_id)

    async def bring_to(self, phase: Phase) -> Claim:
        """Takes a paper through all earlier phases, and claims it in this one."""
        claim = await self.claim_one(PHASES[0])
        for earlier in PHASES[: PHASES.index(phase)]:
            assert await self.store.finish(claim, completed(earlier, {"by": earlier.name}))
            claim = await self.claim_one(PHASES[PHASES.index(earlier) + 1])
        return claim


def row_of(engine: StoreEngine, paper_id: str) -> PaperRow:
    with engine.open_ledger() as ledger:
        row = ledger.paper(paper_id)
    assert row is not None
    return row


def results_before(phase: Phase) -> dict[str, dict[str, str]]:
    """What `Bench.bring_to` has left in the row."""
    return {each.name: {"by": each.name} for each in PHASES[: PHASES.index(phase)]}
