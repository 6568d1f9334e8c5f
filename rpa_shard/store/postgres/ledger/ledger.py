"""The papers of all shards in PostgreSQL, for commands and the supervisor.

Guarantee: as in `rpa_shard.store.protocol.Ledger`; whatever is read page by page holds no snapshot in between, and a
server that goes away meanwhile is waited for. Limit: one connection, for one thread at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any

from psycopg.rows import DictRow

from rpa_shard.model.phase import INITIAL_STATUS, Phase, Status
from rpa_shard.store.catalogue import NoCatalogueError, check_categories
from rpa_shard.store.changes import Before, Changes, Target
from rpa_shard.store.layout import Layout
from rpa_shard.store.postgres.ledger import changes, listing, past
from rpa_shard.store.postgres.ledger.rows import paper_row
from rpa_shard.store.postgres.ledger.selecting import Selecting
from rpa_shard.store.postgres.ledger.session import Session, written
from rpa_shard.store.postgres.shard import counting
from rpa_shard.store.postgres.shard.outcome_columns import storable
from rpa_shard.store.postgres.shard.reclaiming import workers_between
from rpa_shard.store.queue import Place, Queued, shares_of
from rpa_shard.store.rows import NEVER, Counts, Event, HistoryLine, Leases, PaperRow, PlaceInList, RowToVerify
from rpa_shard.store.selection import EVERY_PAPER, Selection
from rpa_shard.store.sqlite.catalogue import SQLiteCatalogue

PAGE_ROWS, PAGE_IDS, BATCH = 1000, 10_000, 10_000


class PostgresLedger:
    """The ledger over `session`; `clock` (tests) stands for the database's.

    `layout` is that of `node`. `counts_max_age` is as in `counting.count`. `open_catalogue` opens the node's catalogue.
    """

    def __init__(
        self,
        session: Session,
        layout: Layout,
        node: str,
        open_catalogue: Callable[[], AbstractContextManager[SQLiteCatalogue | None]],
        *,
        clock: counting.Clock | None = None,
        counts_max_age: float | None = None,
    ) -> None:
        self._session = session
        self._layout = layout
        self._node = node
        self._open_catalogue = open_catalogue
        self._clock = clock
        self._counts_max_age = counts_max_age

    @property
    def layout(self) -> Layout:
        return self._layout

    def add(self, paper_ids: Iterable[str], priority: int = 0) -> tuple[int, int]:
        added = given = 0
        for ids in _batches(paper_ids, BATCH):
            new: dict[str, Any] = {"status": INITIAL_STATUS, "priority": priority, "now": self._now(), "ids": ids}
            new["workers"] = [self.layout.worker_of(each) for each in ids]
            added += self._session.transaction(partial(written, name="add", **new))
            given += len(ids)
        if added:
            self._forget_counts()
        return added, given - added

    def counts(self) -> Counts:
        return self._session.steadily(
            lambda connection: counting.count(connection, max_age=self._counts_max_age, clock=self._clock)
        )

    def count_arxiv_papers(self, statuses: Collection[Status], *, except_archived: bool = False) -> int:
        wanted = {"statuses": sorted(statuses)}
        papers = self._number("count_arxiv_papers", **wanted)
        if except_archived:
            with self._open_catalogue() as catalogue:
                pages = catalogue.pages_of_members(PAGE_IDS) if catalogue is not None else ()
                papers -= sum(self._number("count_of", ids=ids, **wanted) for ids in pages)
        return papers

    def ids_with(self, statuses: Collection[Status], *, outdated: bool | None = None) -> Iterator[str]:
        name = "page_of_outdated_ids" if outdated else "page_of_ids"
        wanted: dict[str, Any] = {"statuses": sorted(statuses), "limit": PAGE_IDS}
        if not outdated:
            wanted["outdated"] = outdated
        for rows in self._pages(name, **wanted):
            yield from (row["id"] for row in rows)

    def sample_results(self, phase: Phase, limit: int) -> list[Mapping[str, Any]]:
        wanted = {"phase": phase.name, "status": phase.to_status, "limit": limit}
        return [
            row["result"]
            for shard in range(self.layout.shards)
            for row in self._session.read("sample_results", **wanted, **workers_between(self.layout, shard))
        ]

    def shares_of_queue(
        self, phases: Collection[Phase], papers: int, not_failed_since: float = NEVER
    ) -> Mapping[int, Mapping[str, int]]:
        now = self._now()

        def queued(name: str, phase: Phase) -> list[Queued]:
            wanted = {"status": phase.from_status, "now": now, "limit": papers, "not_failed_since": not_failed_since}
            found: Counter[tuple[Place, int]] = Counter()
            for row in self._session.read(name, **wanted):
                place = Place.of(phase, row["priority"], row["next_attempt_at"], now)
                found[place, self.layout.shard_of_worker(row["worker"])] += row["papers"]
            return [Queued(place, shard, phase.name, count) for (place, shard), count in found.items()]

        due = [each for phase in phases for each in queued("queue_due", phase)]
        later = []
        if sum(each.papers for each in due) < papers:
            later = [each for phase in phases for each in queued("queue_later", phase)]
        return shares_of([*due, *later], papers)

    def leases(self) -> Leases:
        (row,) = self._session.read("leases", now=self._clock() if self._clock is not None else None)
        return Leases(row["held"], row["expired"], 0, row["oldest_claimed_at"])

    def suspects(self) -> int:
        return self._number("count_suspects")

    def paper(self, paper_id: str) -> PaperRow | None:
        rows = self._session.read("paper", id=storable(paper_id))
        return self._paper_row(rows[0]) if rows else None

    def history(self, paper_id: str) -> list[HistoryLine]:
        return [HistoryLine(**row) for row in self._session.read("history", id=storable(paper_id))]

    def page_of_papers(
        self,
        *,
        status: Status | None = None,
        reason: str | None = None,
        id_prefix: str = "",
        after: PlaceInList | None = None,
        limit: int,
    ) -> list[PaperRow]:
        found = listing.page_of_papers(self._session, status, reason, id_prefix, after, limit)
        return [self._paper_row(row) for row in found]

    def papers(self) -> Iterator[PaperRow]:
        for _, rows in self._pages_of_shards("page_of_shard"):
            yield from map(self._paper_row, rows)

    def select(self, selection: Selection = EVERY_PAPER, ids: Iterable[str] | None = None) -> Iterator[PaperRow]:
        with self._selecting(selection) as selecting:
            for rows in selecting.pages(ids):
                yield from rows

    def count_selected(self, selection: Selection = EVERY_PAPER, ids: Iterable[str] | None = None) -> int:
        with self._selecting(selection) as selecting:
            return selecting.count(ids)

    def pages_to_verify(self) -> Iterator[tuple[int, list[RowToVerify]]]:
        for shard, rows in self._pages_of_shards("page_to_verify"):
            yield shard, [RowToVerify(*row.values()) for row in rows]

    def times_of_events(self) -> tuple[float, float] | None:
        return past.times_of_events(self._session)

    def count_events(self, begins: float, ends: float, parts: int) -> Mapping[Event, int]:
        return past.count_events(self._session, begins, ends, parts)

    def results(self, phase: Phase, since: float = 0.0) -> Iterator[Mapping[str, Any]]:
        for rows in self._pages("page_of_results", phase=phase.name, since=since, limit=PAGE_ROWS):
            yield from (row["result"] for row in rows if row["result"] is not None)

    def retry(self, selection: Selection = EVERY_PAPER, ids: Iterable[str] | None = None) -> Iterator[str]:
        if selection.statuses and Status.FAILED not in selection.statuses:
            return
        with self._selecting(replace(selection, statuses=(Status.FAILED,))) as selecting:
            for rows in selecting.pages(ids):
                if rows:
                    back = changes.retry(self._session, [row.paper_id for row in rows], self._moment())
                    self._forget_counts()
                    yield from back

    def requeue(self, row: PaperRow, phase: Phase, detail: str) -> bool:
        done = changes.requeue(self._session, row, phase, detail, self._moment())
        self._forget_counts()
        return done

    def redo(self, targets: Sequence[Target], before: Before | None = None) -> Changes:
        return self._changed(changes.redo(self._session, targets, before, self._moment()))

    def remove(self, targets: Sequence[Target], before: Before | None = None) -> Changes:
        return self._changed(changes.remove(self._session, targets, before))

    def _changed(self, found: Changes) -> Changes:
        if found.done:
            self._forget_counts()
        return found

    def _forget_counts(self) -> None:
        self._session.steadily(counting.forget_counts)

    def _moment(self) -> dict[str, Any]:
        """Who changes something, and when."""
        return {"now": self._now(), "node": self._node}

    def _now(self) -> float:
        return self._clock() if self._clock is not None else float(self._session.read("now")[0]["now"])

    def _number(self, name: str, **parameters: Any) -> int:
        return int(self._session.read(name, **parameters)[0]["papers"])

    def _pages(self, name: str, **parameters: Any) -> Iterator[list[DictRow]]:
        """The rows of a query that reads forward by id, which is the first column."""
        after = ""
        while rows := self._session.read(name, after=after, **parameters):
            yield rows
            after = next(iter(rows[-1].values()))

    def _pages_of_shards(self, name: str) -> Iterator[tuple[int, list[DictRow]]]:
        for shard in range(self.layout.shards):
            for rows in self._pages(name, limit=PAGE_ROWS, **workers_between(self.layout, shard)):
                yield shard, rows

    @contextmanager
    def _selecting(self, selection: Selection) -> Iterator[Selecting]:
        """Raises StoreError if the conditions need a catalogue and there is none, or it knows no such category."""
        if not selection.needs_catalogue:
            yield Selecting(self._session, selection, self._paper_row, None)
            return
        with self._open_catalogue() as catalogue:
            if catalogue is None:
                raise NoCatalogueError
            check_categories(catalogue, selection.categories)
            yield Selecting(self._session, selection, self._paper_row, catalogue)

    def _paper_row(self, row: DictRow) -> PaperRow:
        return paper_row(row, self.layout.shard_of_worker(row["worker"]))


def _batches(items: Iterable[str], size: int) -> Iterator[list[str]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
