"""What a shard needs of a phase: a runner, and everything that is known of the phase without one.

Guarantee: a shard, the supervisor and the commands know no phase by name; they work with these types. Limit: a runner
never writes to the store; what it returns or raises is turned into the end of the claim by the worker.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from rpa_shard.config.settings import Settings, Share
from rpa_shard.fetch.permits import Permits
from rpa_shard.ipc.shard_report import Gauge
from rpa_shard.llm.call_permits import CallPermits
from rpa_shard.model.arxiv_id import PaperId
from rpa_shard.model.paper import Claim
from rpa_shard.model.phase import Phase
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.lease_validity import LeaseValidity
from rpa_shard.store.protocol import Ledger, StoreEngine
from rpa_shard.system.activity import begin

Result = Mapping[str, Any]


class Slots:
    """What claims hold while they work, such as a place among the downloads; a shard has a fixed number of each."""

    def __init__(self, limits: Mapping[str, int]) -> None:
        self._limits = dict(limits)
        self._free = {name: asyncio.Semaphore(limit) for name, limit in limits.items()}
        self._in_use = dict.fromkeys(limits, 0)

    @asynccontextmanager
    async def hold(self, name: str) -> AsyncIterator[None]:
        """Waits for a slot called `name`, and holds it; both are stages of the task."""
        begin(f"{name} slot")
        async with self._free[name]:
            begin(name)
            self._in_use[name] += 1
            try:
                yield
            finally:
                self._in_use[name] -= 1

    def gauges(self) -> dict[str, Gauge]:
        """How many slots of each kind are held."""
        return {name: Gauge(self._in_use[name], limit) for name, limit in self._limits.items()}


class Attempt:
    """One attempt at a claim, as its runner sees it."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        # Whether the paper can be handed back now without throwing work away.
        self.interruptible = True
        self._is_wanted_back = False
        self._when_wanted_back: Callable[[], None] | None = None

    def slot(self, name: str) -> AbstractAsyncContextManager[None]:
        """A slot of the shard, while the block runs."""
        return self._slots.hold(name)

    def must_finish(self) -> None:
        """From here on whoever wants the paper back waits for the attempt instead of interrupting it."""
        self.interruptible = False

    def may_be_interrupted(self) -> None:
        """From here on it may be interrupted again; it is at once if the paper was wanted back meanwhile."""
        self.interruptible = True
        if self._is_wanted_back:
            raise asyncio.CancelledError

    def want_back(self) -> bool:
        """The shard drains, or the lease is lost; returns whether the attempt may be interrupted at once."""
        self._is_wanted_back = True
        if self._when_wanted_back is not None:
            self._when_wanted_back()
        return self.interruptible

    def when_wanted_back(self, call: Callable[[], None] | None) -> None:
        """What an attempt that must finish does when it is wanted back, to finish sooner; at once if it is."""
        self._when_wanted_back = call
        if call is not None and self._is_wanted_back:
            call()


class PhaseRunner(Protocol):
    """Does the work of one phase in one shard."""

    @property
    def slots(self) -> Mapping[str, int]:
        """The kinds of slots that its claims hold, and how many of each there are in this shard."""

    async def run(self, claim: Claim, attempt: Attempt) -> Result:
        """Works on a claim; its artifacts are durable when this returns.

        May be cancelled while `attempt.interruptible`. Raises PaperError, and PhasePausedError.
        """

    def summary(self, result: Result) -> str:
        """A result in a few words for the log."""

    def gauges(self) -> Mapping[str, Gauge]:
        """What is bounded besides the slots, and how much is in use."""

    def totals(self) -> Mapping[str, int]:
        """Its totals since the shard started."""

    def tallies(self) -> Mapping[str, Mapping[str, int]]:
        """Papers completed since the shard started, by a property and its value."""


@dataclass(frozen=True, slots=True)
class ShardContext:
    """What a shard lends to the runners of its phases."""

    number: int
    settings: Settings
    share: Share
    folder: DataFolder
    engine: StoreEngine
    permits: Permits
    calls: CallPermits
    leases: LeaseValidity


@dataclass(frozen=True, slots=True)
class ExpectedFile:
    """A file that must exist because a completed phase wrote it."""

    path: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class PhaseDefinition:
    """Everything that is known of a phase.

    `open_runner` makes its runner in a shard. `warm_up` does once, before shards are forked, what each would otherwise
    do itself, and starts no thread. `refuse` raises StoreError if a run with these settings, which may
    have a limit of papers, must not begin.
    `expected_files` yields the files that a result names; `papers` is the folder of the papers' files. A phase that
    `asks_models` pauses while none may be asked.
    """

    phase: Phase
    open_runner: Callable[[ShardContext], AbstractAsyncContextManager[PhaseRunner]]
    warm_up: Callable[[Settings], None] = lambda settings: None
    refuse: Callable[[Settings, Ledger, int | None], None] = lambda settings, ledger, limit: None
    expected_files: Callable[[str, PaperId, Result], Iterator[ExpectedFile]] = lambda papers, paper, result: iter(())
    asks_models: bool = False
