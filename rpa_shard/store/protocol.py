"""What the program needs of a store, whichever engine holds the rows.

Guarantee of every implementation: a claim is exclusive and charged; it can be ended only while its lease id is still in
the row (the fence); what is written is durable when the call returns; rows have no state that the phases do not allow.
The contract tests check this for every engine. Limit: the store does not handle papers' files.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any, Protocol

from rpa_shard.model.paper import Claim
from rpa_shard.model.phase import Phase, Status
from rpa_shard.store.catalogue import Catalogue, CatalogueReader
from rpa_shard.store.changes import Before, Changes, Target
from rpa_shard.store.layout import Layout, StoredLayout
from rpa_shard.store.outcome import Outcome
from rpa_shard.store.repairs import KnownPaper, RepairReport
from rpa_shard.store.rows import NEVER, Counts, Ended, Event, HistoryLine, Leases, PaperRow, PlaceInList, RowToVerify
from rpa_shard.store.selection import EVERY_PAPER, Selection


class Store(Protocol):
    """The papers of one shard, as its workers see them. Used from one event loop."""

    async def claim(self, phase: Phase, limit: int, not_failed_since: float = NEVER) -> list[Claim]:
        """Up to `limit` papers whose time has come, highest priority first, then longest waiting.

        Papers whose last attempt failed at `not_failed_since` (Unix seconds) or later are passed over.
        """

    async def claim_named(self, phase: Phase, paper_ids: Sequence[str]) -> list[Claim]:
        """Those of the papers that wait for the phase, in any order, whether or not their time has come."""

    async def next_attempt_at(self, phase: Phase, not_failed_since: float = NEVER) -> float | None:
        """When the next such claim can succeed (Unix seconds, perhaps past), or None if nothing waits."""

    async def renew(self, claims: Collection[Claim]) -> set[str] | None:
        """Extends the leases; returns the lease ids that were lost, or None if nothing could be renewed for now."""

    async def reclaim_expired(self, held: Collection[str]) -> int:
        """Hands back papers whose lease ran out, except for the lease ids that the caller still holds.

        Returns how many. The clock alone never ends the lease of a living holder, because it may have been set.
        """

    async def finish(self, claim: Claim, outcome: Outcome) -> bool:
        """Ends a claim; False if its lease was lost, and then nothing was written.

        A caller that is cancelled meanwhile does not stop it: the end is still written.
        """

    async def counts(self) -> Counts:
        """A recount of all papers of the shard."""


class Ledger(Protocol):
    """The papers of all shards, as commands and the supervisor see them. Never claims."""

    @property
    def layout(self) -> Layout:
        """The layout, which stays as it is while the ledger is open."""

    def add(self, paper_ids: Iterable[str], priority: int = 0) -> tuple[int, int]:
        """Queues papers; returns how many were new and how many were known already."""

    def counts(self) -> Counts:
        """All papers by status, and failures by reason."""

    def shares_of_queue(
        self, phases: Collection[Phase], papers: int, not_failed_since: float = NEVER
    ) -> Mapping[int, Mapping[str, int]]:
        """How many of the first `papers` of the queue each shard has, by the name of the phase that would claim them.

        First come those whose time has come, as they are claimed: later phases first, then by priority and time; then
        all others, by their time. Of those that share a place each shard has its part. Papers whose last attempt failed
        at `not_failed_since` or later are passed over.
        """

    def leases(self) -> Leases:
        """The figures of leases for the health check."""

    def suspects(self) -> int:
        """How many papers wait to run alone, because their process died while parsing them."""

    def paper(self, paper_id: str) -> PaperRow | None:
        """One paper's row, or None if it was never added."""

    def history(self, paper_id: str) -> list[HistoryLine]:
        """What happened to one paper, oldest first."""

    def page_of_papers(
        self,
        *,
        status: Status | None = None,
        reason: str | None = None,
        id_prefix: str = "",
        after: PlaceInList | None = None,
        limit: int,
    ) -> list[PaperRow]:
        """Some papers, for a person to look at: of a status, failed for good for a reason, whose ids begin so.

        Papers of a status, unless it is failed for a given reason, come in the order in which they are claimed: by
        priority, then time of the next attempt, then id. All other lists are in order of id. `after` is the place of
        the last row of the page before.
        """

    def papers(self) -> Iterator[PaperRow]:
        """Every paper, shard by shard, in order of id; memory stays flat and no lock is held in between."""

    def select(self, selection: Selection = EVERY_PAPER, ids: Iterable[str] | None = None) -> Iterator[PaperRow]:
        """The papers that meet the conditions, of those with the given canonical ids, or of all.

        Given ids are taken one by one, in their order, those that are unknown are passed over, and an id that is given
        twice may come twice; all others come in any order. Memory stays flat and no lock is held in between, so a
        caller may change the papers that it was given; without given ids, no paper comes twice. Raises StoreError; also
        if the conditions need a catalogue and there is none, or it knows no such category.
        """

    def count_selected(self, selection: Selection = EVERY_PAPER, ids: Iterable[str] | None = None) -> int:
        """How many papers `select` gives; cheaper where the conditions allow it."""

    def pages_to_verify(self) -> Iterator[tuple[int, list[RowToVerify]]]:
        """Shard and rows, in pages in order of id; for millions of papers, so the rows are not converted."""

    def ids_with(self, statuses: Collection[Status], *, outdated: bool | None = None) -> Iterator[str]:
        """The ids of the papers in any of the statuses; of all, or only of those that are `outdated` or are not."""

    def count_arxiv_papers(self, statuses: Collection[Status], *, except_archived: bool = False) -> int:
        """How many papers in any of the statuses have arXiv ids, perhaps without those in known archives."""

    def sample_results(self, phase: Phase, limit: int) -> list[Mapping[str, Any]]:
        """The results of `phase` for some papers whose last completed phase it is; at most `limit` per shard."""

    def times_of_events(self) -> tuple[float, float] | None:
        """When the first and the last event of all histories was, in Unix seconds; None if nothing happened yet."""

    def count_events(self, begins: float, ends: float, parts: int) -> Mapping[Event, int]:
        """How often what happened from `begins` to `ends` (Unix seconds), by the part of that time, one of `parts`."""

    def results(self, phase: Phase, since: float = 0.0) -> Iterator[Mapping[str, Any]]:
        """The results of `phase` of all papers that have changed since a moment; memory stays flat."""

    def retry(self, selection: Selection = EVERY_PAPER, ids: Iterable[str] | None = None) -> Iterator[str]:
        """Sends failed papers back to the phase in which they failed; the results of earlier phases stay.

        Of those that `select` gives, the failed ones. Their ids come as they go back, so it must be read to its end.
        """

    def requeue(self, row: PaperRow, phase: Phase, detail: str) -> bool:
        """Sends a paper back to `phase`, and drops the results of that phase and later ones.

        False, and nothing is written, if its row has changed since or is held.
        """

    def redo(self, targets: Sequence[Target], before: Before | None = None) -> Changes:
        """Sends papers back to the first phase; what was made of them until now is outdated, and is made again.

        All results are dropped, but no file. `before` gets the ids of the papers that are sent back. Papers that are
        held, or that wait for the first phase anyway, are left. One transaction for each shard: give a page at a time.
        """

    def remove(self, targets: Sequence[Target], before: Before | None = None) -> Changes:
        """Takes papers out of the queue: deletes their rows and histories.

        `before` gets the ids of the papers that are taken out, and those that have no row. Held papers are left. It
        takes many short transactions: give as many papers at a time as fit into memory.
        """


class StoreEngine(Protocol):
    """One store: how it is made, opened, moved to another layout, and repaired."""

    def stored_layout(self) -> StoredLayout | None:
        """The layout, or None if there is no store yet. Raises StoreError."""

    def create(self, layout: Layout) -> StoredLayout:
        """Creates the store if there is none, and upgrades an older format; returns the resulting layout."""

    def open_ledger(
        self, layout_if_new: Layout | None = None, *, seconds: float | None = None
    ) -> AbstractContextManager[Ledger]:
        """The ledger; creates a missing store if `layout_if_new` is given.

        With `seconds` it waits for nobody, upgrades nothing, and what it reads after that time ends in TooSlowError.
        Raises StoreError, also if there is no store yet or a move was cut short.
        """

    def open_store(
        self, shard: int, lease_seconds: float, clock: Callable[[], float] | None = None, *, group: int = 1
    ) -> AbstractAsyncContextManager[Store]:
        """The store of one shard, for its own process. `group` ends of claims are written without waiting for more."""

    def reclaim(self, shard: int, suspects: Mapping[str, bool]) -> int:
        """Frees every lease of a shard whose process is gone; returns how many there were.

        `suspects` were inside native code when their process died: they run alone from now on, and the value says
        whether the attempt is charged. All others are handed back free of charge. The caller holds the run lock.
        """

    def ended(self, shard: int, mark: int | None) -> Ended:
        """How claims of a shard, whose process is gone, have ended since a mark, and a mark for now.

        The mark is that of an earlier call, made after the last move of papers; None counts nothing.
        """

    def layout_lock(self, *, wait: bool = True) -> AbstractContextManager[None]:
        """Held while the layout changes. Raises FolderBusyError if it is taken and `wait` is False."""

    def reshard(self, target: Layout) -> int:
        """Moves papers to `target`, finishing a move that was cut short first; returns how many papers moved.

        May be killed at any point and run again. The caller holds the run lock and the layout lock, no shard lives,
        and all leases have been reclaimed.
        """

    def repair(
        self, known: Callable[[], Iterable[KnownPaper]], expected: Mapping[int, int], say: Callable[[str], None]
    ) -> RepairReport:
        """Rebuilds what is damaged, also from the papers that have files; the caller holds run lock and layout lock.

        `expected` is how many papers the last run counted in each shard. Raises StoreError.
        """

    def open_catalogue(
        self, *, create: bool = False, seconds: float | None = None
    ) -> AbstractContextManager[Catalogue | None]:
        """The catalogue, or None if there is none and `create` is False; with `create` an older one is upgraded.

        With `seconds` what it reads after that time ends in TooSlowError.
        """

    def catalogue_reader(self) -> CatalogueReader:
        """The catalogue for the threads of a shard."""
