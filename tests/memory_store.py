"""A store in memory that follows every rule of the protocols: tests compare real engines with it.

Guarantee: as in `rpa_shard.store.protocol`, except for durability. Limit: one process; nothing can be damaged.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from rpa_shard.model.errors import FolderBusyError, StoreError
from rpa_shard.model.paper import Claim
from rpa_shard.model.phase import (
    INITIAL_STATUS,
    PHASES,
    PREP,
    Phase,
    Status,
    phase_named,
)
from rpa_shard.store.catalogue import NoCatalogueError, Whereabouts, check_categories
from rpa_shard.store.changes import Before, Changes, Target, has_moved, outdated_from
from rpa_shard.store.layout import Layout, StoredLayout
from rpa_shard.store.outcome import Outcome, ending_of_event, reclaimed, released, suspected
from rpa_shard.store.queue import Place, Queued, shares_of
from rpa_shard.store.repairs import KnownPaper, RepairReport
from rpa_shard.store.rows import NEVER, Counts, Ended, Event, HistoryLine, Leases, PaperRow, PlaceInList, RowToVerify
from rpa_shard.store.selection import EVERY_PAPER, Selection
from tests.memory_catalogue import MemoryCatalogue
from tests.memory_papers import Papers, claim_of, counts_of

MAX_WAIT_SECONDS = 24 * 3600.0
Clock = Callable[[], float]


@dataclass(frozen=True)
class MemoryStore:
    """The papers of one shard; implements `Store`."""

    papers: Papers
    shard: int
    lease_seconds: float
    clock: Clock

    async def claim(self, phase: Phase, limit: int, not_failed_since: float = NEVER) -> list[Claim]:
        now = self.clock()
        waiting = [row for row in self._waiting(phase, not_failed_since) if row.next_attempt_at <= now]
        waiting.sort(key=lambda row: (-row.priority, row.next_attempt_at))
        return [self._lease(row, phase, now) for row in waiting[:limit]]

    async def claim_named(self, phase: Phase, paper_ids: Sequence[str]) -> list[Claim]:
        now = self.clock()
        return [self._lease(row, phase, now) for row in self._waiting(phase, NEVER) if row.paper_id in paper_ids]

    def _lease(self, row: PaperRow, phase: Phase, now: float) -> Claim:
        lease_id, attempt = uuid4().hex, row.attempts + 1
        row = replace(row, lease_id=lease_id, lease_expires_at=now + self.lease_seconds)
        self.papers.put(replace(row, status=phase.active_status, attempts=attempt, changed_at=now))
        return Claim(row.paper_id, phase, lease_id, attempt, row.suspect, row.outdated_before)

    async def next_attempt_at(self, phase: Phase, not_failed_since: float = NEVER) -> float | None:
        return min((row.next_attempt_at for row in self._waiting(phase, not_failed_since)), default=None)

    async def renew(self, claims: Collection[Claim]) -> set[str] | None:
        lost = set()
        for claim in claims:
            row = self.papers.held_row(claim, self.shard)
            if row is None:
                lost.add(claim.lease_id)
            else:
                self.papers.put(replace(row, lease_expires_at=self.clock() + self.lease_seconds))
        return lost

    async def reclaim_expired(self, held: Collection[str]) -> int:
        count = 0
        for row in self._rows():
            if row.lease_id is None or row.lease_expires_at is None or row.lease_expires_at >= self.clock():
                continue
            if row.lease_id not in held:
                claim = claim_of(row)
                count += await self.finish(claim, released(claim.phase, "lease expired", suspect=row.suspect))
        return count

    async def finish(self, claim: Claim, outcome: Outcome) -> bool:
        return self.papers.end(claim, outcome, self.shard, self.clock())

    async def counts(self) -> Counts:
        return counts_of(self._rows(), self.clock())

    def _rows(self) -> list[PaperRow]:
        return self.papers.of_shard(self.shard)

    def _waiting(self, phase: Phase, not_failed_since: float) -> list[PaperRow]:
        return [
            row for row in self._rows() if row.status is phase.from_status and not has_failed(row, not_failed_since)
        ]


@dataclass(frozen=True)
class MemoryLedger:
    """The papers of all shards; implements `Ledger`."""

    engine: MemoryEngine
    layout: Layout

    @property
    def _rows(self) -> list[PaperRow]:
        return self.engine.papers.in_order()

    def add(self, paper_ids: Iterable[str], priority: int = 0) -> tuple[int, int]:
        added = known = 0
        now = self.engine.clock()
        for paper_id in paper_ids:
            if paper_id in self.engine.papers.rows:
                known += 1
                continue
            worker, shard = self.layout.worker_of(paper_id), self.layout.shard_of(paper_id)
            blank = (None, None, False, None, None, None)
            row = PaperRow(paper_id, worker, shard, priority, INITIAL_STATUS, 0, now, *blank, {}, now, now)
            self.engine.papers.put(row)
            added += 1
        return added, known

    def counts(self) -> Counts:
        return counts_of(self._rows, self.engine.clock())

    def shares_of_queue(
        self, phases: Collection[Phase], papers: int, not_failed_since: float = NEVER
    ) -> Mapping[int, Mapping[str, int]]:
        now = self.engine.clock()
        queued: list[Queued] = []
        for shard in range(self.layout.shards):
            for phase in phases:
                waiting = [row for row in self.engine.papers.of_shard(shard) if row.status is phase.from_status]
                waiting = [row for row in waiting if not has_failed(row, not_failed_since)]
                places = [Place.of(phase, row.priority, row.next_attempt_at, now) for row in waiting]
                for is_later in (False, True):
                    first = sorted(place for place in places if place.is_later is is_later)[:papers]
                    counted = Counter(first)
                    queued += [Queued(place, shard, phase.name, count) for place, count in counted.items()]
        return shares_of(queued, papers)

    def leases(self) -> Leases:
        now = self.engine.clock()
        held = [row for row in self._rows if row.lease_expires_at is not None]
        expired = sum(row.lease_expires_at < now for row in held if row.lease_expires_at is not None)
        return Leases(len(held), expired, 0, min((row.changed_at for row in held), default=None))

    def suspects(self) -> int:
        return sum(row.suspect and row.status is not Status.FAILED for row in self._rows)

    def paper(self, paper_id: str) -> PaperRow | None:
        return self.engine.papers.rows.get(paper_id)

    def history(self, paper_id: str) -> list[HistoryLine]:
        return list(self.engine.papers.history.get(paper_id, ()))

    def page_of_papers(
        self,
        *,
        status: Status | None = None,
        reason: str | None = None,
        id_prefix: str = "",
        after: PlaceInList | None = None,
        limit: int,
    ) -> list[PaperRow]:
        def order(place: PlaceInList) -> tuple[int, float, str]:
            by_status = status is not None and reason is None
            return (-place.priority, place.next_attempt_at, place.paper_id) if by_status else (0, 0.0, place.paper_id)

        rows = [row for row in self._rows if row.paper_id.startswith(id_prefix) and status in (None, row.status)]
        if reason is not None:
            rows = [row for row in rows if (row.status, row.failure) == (Status.FAILED, reason)]
        rows = [row for row in rows if after is None or order(row.place) > order(after)]
        return sorted(rows, key=lambda row: order(row.place))[:limit]

    def papers(self) -> Iterator[PaperRow]:
        yield from self._rows

    def select(self, selection: Selection = EVERY_PAPER, ids: Iterable[str] | None = None) -> Iterator[PaperRow]:
        rows = self._rows if ids is None else [row for row in map(self.paper, ids) if row is not None]
        catalogue = self.engine.catalogue
        if selection.needs_catalogue:
            if catalogue is None:
                raise NoCatalogueError
            check_categories(catalogue, selection.categories)
        yield from (row for row in rows if self._is_selected(row, selection, catalogue))

    def count_selected(self, selection: Selection = EVERY_PAPER, ids: Iterable[str] | None = None) -> int:
        return sum(1 for _ in self.select(selection, ids))

    def pages_to_verify(self) -> Iterator[tuple[int, list[RowToVerify]]]:
        for row in self._rows:
            results = json.dumps(row.results) if row.results else None
            yield row.shard, [RowToVerify(row.paper_id, row.status, row.failed_phase, row.changed_at, results)]

    def ids_with(self, statuses: Collection[Status], *, outdated: bool | None = None) -> Iterator[str]:
        rows = (row for row in self._rows if row.status in statuses)
        yield from (row.paper_id for row in rows if outdated in (None, row.outdated_before is not None))

    def count_arxiv_papers(self, statuses: Collection[Status], *, except_archived: bool = False) -> int:
        catalogue = self.engine.catalogue
        archived = catalogue.members if except_archived and catalogue is not None else {}
        return sum("://" not in each and each not in archived for each in self.ids_with(statuses))

    def sample_results(self, phase: Phase, limit: int) -> list[Mapping[str, Any]]:
        found = []
        for shard in range(self.layout.shards):
            rows = [row for row in self.engine.papers.of_shard(shard) if row.status is phase.to_status]
            found += [row.results[phase.name] for row in rows[:limit] if phase.name in row.results]
        return found

    def times_of_events(self) -> tuple[float, float] | None:
        times = [line.at for lines in self.engine.papers.history.values() for line in lines]
        return (min(times), max(times)) if times else None

    def count_events(self, begins: float, ends: float, parts: int) -> Mapping[Event, int]:
        found: Counter[Event] = Counter()
        for line in (line for lines in self.engine.papers.history.values() for line in lines):
            if begins <= line.at <= ends:
                part = min(int((line.at - begins) / ((ends - begins) / parts or 1.0)), parts - 1)
                found[Event(part, line.event, line.phase, line.attempt, line.failure)] += 1
        return found

    def results(self, phase: Phase, since: float = 0.0) -> Iterator[Mapping[str, Any]]:
        changed = (row for row in self._rows if row.changed_at >= since)
        return (row.results[phase.name] for row in changed if phase.name in row.results)

    def retry(self, selection: Selection = EVERY_PAPER, ids: Iterable[str] | None = None) -> Iterator[str]:
        for given in list(self.select(selection, ids)):
            row = self.engine.papers.rows[given.paper_id]
            if row.failed_phase is not None:
                self._send_back(row, phase_named(row.failed_phase), row.results, "retried", None)
                yield row.paper_id

    def requeue(self, row: PaperRow, phase: Phase, detail: str) -> bool:
        now = self.paper(row.paper_id)
        if now is None or now.lease_id is not None or (now.status, now.changed_at) != (row.status, row.changed_at):
            return False
        kept = {each.name for each in PHASES[: PHASES.index(phase)]}
        results = {name: result for name, result in row.results.items() if name in kept}
        self._send_back(now, phase, results, "requeued", detail)
        return True

    def redo(self, targets: Sequence[Target], before: Before | None = None) -> Changes:
        free, found = self._free(targets)
        again = [paper_id for paper_id in free if self.engine.papers.rows[paper_id].status is not INITIAL_STATUS]
        if before is not None and again:
            before(again)
        for paper_id in again:
            row = self.engine.papers.rows[paper_id]
            moment = outdated_from(self.engine.clock(), row.changed_at)
            self._send_back(replace(row, outdated_before=moment), PREP, {}, "redo", None)
        return found + Changes(done=len(again), waiting=len(free) - len(again))

    def remove(self, targets: Sequence[Target], before: Before | None = None) -> Changes:
        free, found = self._free(targets)
        named = dict.fromkeys(target.paper_id for target in targets)
        ids = free + [paper_id for paper_id in named if paper_id not in self.engine.papers.rows]
        if before is not None and ids:
            before(ids)
        for paper_id in free:
            del self.engine.papers.rows[paper_id]
            self.engine.papers.history.pop(paper_id, None)
        return found + Changes(done=len(free))

    def _free(self, targets: Sequence[Target]) -> tuple[list[str], Changes]:
        """The papers that may be changed, and how many may not."""
        wanted = {target.paper_id: target for target in targets}
        rows = [row for row in map(self.paper, sorted(wanted)) if row is not None]
        not_held = [row for row in rows if row.lease_id is None]
        free = [row.paper_id for row in not_held if not has_moved(row.changed_at, wanted[row.paper_id])]
        held, moved = len(rows) - len(not_held), len(not_held) - len(free)
        return free, Changes(held=held, moved=moved, unknown=len(wanted) - len(rows))

    def _is_selected(self, row: PaperRow, wanted: Selection, catalogue: MemoryCatalogue | None) -> bool:
        flags = row.results.get("prep", {}).get("flags", ())
        return (
            (not wanted.statuses or row.status in wanted.statuses)
            and (not wanted.reasons or row.failure in wanted.reasons)
            and (not wanted.failed_phases or row.failed_phase in {each.name for each in wanted.failed_phases})
            and (not wanted.flags or any(each in flags for each in wanted.flags))
            and (wanted.since is None or row.changed_at >= wanted.since)
            and (
                not wanted.needs_catalogue
                or (catalogue is not None and bool(catalogue.matching([row.paper_id], wanted.words, wanted.categories)))
            )
        )

    def _send_back(
        self, row: PaperRow, phase: Phase, results: Mapping[str, Any], event: str, detail: str | None
    ) -> None:
        now = self.engine.clock()
        clean = replace(row, attempts=0, failure=None, failed_phase=None, detail=None, results=results)
        self.engine.papers.put(replace(clean, status=phase.from_status, next_attempt_at=now, changed_at=now))
        self.engine.papers.remember(row.paper_id, HistoryLine(now, event, phase.name, 0, None, detail))


class MemoryEngine:
    """A store that lives as long as this object; implements `StoreEngine`."""

    def __init__(self, clock: Clock = time.time) -> None:
        self.clock = clock
        self.papers = Papers()
        self.catalogue: MemoryCatalogue | None = None
        self._layout: Layout | None = None
        self._readers = 0

    def stored_layout(self) -> StoredLayout | None:
        return StoredLayout(self._layout) if self._layout is not None else None

    def create(self, layout: Layout) -> StoredLayout:
        self._layout = self._layout or layout
        return StoredLayout(self._layout)

    @contextmanager
    def open_ledger(
        self, layout_if_new: Layout | None = None, *, seconds: float | None = None
    ) -> Iterator[MemoryLedger]:
        if layout_if_new is not None:
            self.create(layout_if_new)
        if self._layout is None:
            raise StoreError("no papers yet: add some with `add`")
        self._readers += 1
        try:
            yield MemoryLedger(self, self._layout)
        finally:
            self._readers -= 1

    @asynccontextmanager
    async def open_store(
        self, shard: int, lease_seconds: float, clock: Clock | None = None, *, group: int = 1
    ) -> AsyncIterator[MemoryStore]:
        yield MemoryStore(self.papers, shard, lease_seconds, clock or self.clock)

    def reclaim(self, shard: int, suspects: Mapping[str, bool]) -> int:
        now, held = self.clock(), 0
        for row in self.papers.of_shard(shard):
            if row.lease_id is None:
                self._mend_wait(row, now)
                continue
            claim, held = claim_of(row), held + 1
            if row.paper_id in suspects:
                why, charged = "its process died while parsing it", suspects[row.paper_id]
                self.papers.end(claim, suspected(claim.phase, why, charged=charged), shard, now)
            else:
                self.papers.end(claim, reclaimed(claim.phase, "its process died", suspect=row.suspect), shard, now)
        return held

    def _mend_wait(self, row: PaperRow, now: float) -> None:
        """Restarts a wait that was written under a wrong clock, and cuts one that is too long."""
        if row.status not in {phase.from_status for phase in PHASES}:
            return
        if row.next_attempt_at > now and row.changed_at > now:
            wait = max(0.0, row.next_attempt_at - row.changed_at)
            row = replace(row, next_attempt_at=now + wait, changed_at=now)
        self.papers.put(replace(row, next_attempt_at=min(row.next_attempt_at, now + MAX_WAIT_SECONDS)))

    def ended(self, shard: int, mark: int | None) -> Ended:
        claims: dict[str, Counter[str]] = {}
        lines = [line for row in self.papers.of_shard(shard) for line in self.papers.history.get(row.paper_id, ())]
        # A mark counts lines here: the order of those of different papers is not kept, their times are.
        for line in sorted(lines, key=lambda line: line.at)[len(lines) if mark is None else mark :]:
            if line.phase is not None and (ending := ending_of_event(line.event, line.phase)) is not None:
                claims.setdefault(line.phase, Counter())[ending] += 1
        return Ended(len(lines), claims)

    @contextmanager
    def layout_lock(self, *, wait: bool = True) -> Iterator[None]:
        if self._readers:
            assert not wait, "this would wait for ever"
            raise FolderBusyError("another command is reading")
        yield

    def reshard(self, target: Layout) -> int:
        moved = 0
        for row in list(self.papers.rows.values()):
            there = replace(row, worker=target.worker_of(row.paper_id), shard=target.shard_of(row.paper_id))
            moved += there.shard != row.shard
            self.papers.put(there)
        self._layout = target
        return moved

    def repair(
        self, known: Callable[[], Iterable[KnownPaper]], expected: Mapping[int, int], say: Callable[[str], None]
    ) -> RepairReport:
        return RepairReport()

    @contextmanager
    def open_catalogue(self, *, create: bool = False, seconds: float | None = None) -> Iterator[MemoryCatalogue | None]:
        if create and self.catalogue is None:
            self.catalogue = MemoryCatalogue()
        yield self.catalogue

    def catalogue_reader(self) -> MemoryCatalogueReader:
        return MemoryCatalogueReader(self)


@dataclass(frozen=True)
class MemoryCatalogueReader:
    """The catalogue as used by threads; implements `CatalogueReader`."""

    engine: MemoryEngine

    def whereabouts(self, paper_id: str) -> Whereabouts:
        catalogue = self.engine.catalogue
        return catalogue.whereabouts(paper_id) if catalogue is not None else Whereabouts()

    def metadata(self, paper_id: str) -> dict[str, Any] | None:
        catalogue = self.engine.catalogue
        return catalogue.metadata(paper_id) if catalogue is not None else None

    def close(self) -> None:
        """Nothing is open."""


def has_failed(row: PaperRow, since: float) -> bool:
    """Whether the last attempt failed at a moment or later."""
    return row.failure is not None and row.changed_at >= since
