"""All shard files of a data folder, as the commands see them: add, count, look up, read through, retry.

Guarantee: works during a run and without one; every write is one short transaction per shard file, under the folder's
layout lock. Limit: it never claims; leases belong to shards. Synchronous, for processes without a loop.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from heapq import nsmallest
from typing import Any

import msgspec

from rpa_shard.ipc.shard_report import BackOff
from rpa_shard.model.phase import ACTIVE_STATUSES, CLAIMED_STATUSES, INITIAL_STATUS, PHASES, Phase, Status, phase_from
from rpa_shard.store.catalogue import NoCatalogueError, check_categories
from rpa_shard.store.changes import Before, Changes, Target
from rpa_shard.store.layout import Layout
from rpa_shard.store.rows import NEVER, Counts, Event, HistoryLine, Leases, PaperRow, PlaceInList, RowToVerify
from rpa_shard.store.selection import EVERY_PAPER, Selection
from rpa_shard.store.sqlite import changes, queue
from rpa_shard.store.sqlite.catalogue import open_catalogue
from rpa_shard.store.sqlite.connections import Connections
from rpa_shard.store.sqlite.files import SQLiteFiles
from rpa_shard.store.sqlite.listing import Listing
from rpa_shard.store.sqlite.paper_rows import paper_row
from rpa_shard.store.sqlite.queries import query
from rpa_shard.store.sqlite.selecting import Selecting
from rpa_shard.store.sqlite.shard_file import damaged, nonsense, transaction_on, uri_of
from rpa_shard.system.failpoints import reach

PAGE_ROWS, HISTORY_LINES = 1000, 50_000
# The results of a row, as text, are decoded for millions of papers.
_RESULTS = msgspec.json.Decoder(dict[str, dict[str, Any]])


class SQLiteLedger:
    """The shard files of one folder, as `rpa_shard.store.protocol.Ledger`. Made by `open_ledger` of `opening`."""

    def __init__(self, files: SQLiteFiles, layout: Layout, connections: Connections) -> None:
        self._files = files
        self._layout = layout
        self._connections = connections

    @property
    def layout(self) -> Layout:
        return self._layout

    def add(self, paper_ids: Iterable[str], priority: int = 0) -> tuple[int, int]:
        by_shard: dict[int, list[tuple[str, int]]] = {}
        for paper_id in paper_ids:
            worker = self.layout.worker_of(paper_id)
            by_shard.setdefault(self.layout.shard_of_worker(worker), []).append((paper_id, worker))
        added = 0
        same = {"priority": priority, "status": INITIAL_STATUS, "now": time.time()}
        for shard, papers in by_shard.items():
            with self._transaction(shard) as connection:
                # One statement for all: a statement for each takes three times as long.
                added += connection.execute(query("add"), {"papers": json.dumps(papers), **same}).rowcount
        return added, sum(map(len, by_shard.values())) - added

    def counts(self) -> Counts:
        statuses: Counter[str] = Counter()
        failures: Counter[str] = Counter()
        back_offs: dict[str, BackOff] = {}
        waiting = {"statuses": json.dumps(CLAIMED_STATUSES), "now": time.time()}
        for shard in range(self.layout.shards):
            statuses.update({row["status"]: row["papers"] for row in self._read(shard, "count_by_status")})
            failures.update({row["failure"]: row["papers"] for row in self._read(shard, "count_by_failure")})
            for row in self._read(shard, "back_offs", **waiting):
                here = BackOff(row["papers"], row["first_at"], row["last_at"])
                known = back_offs.get(row["failure"])
                back_offs[row["failure"]] = here if known is None else known.plus(here)
        return Counts(dict(statuses), dict(failures), back_offs)

    def count_arxiv_papers(self, statuses: Collection[Status], *, except_archived: bool = False) -> int:
        wanted = {"statuses": json.dumps(sorted(statuses))}
        catalogue = self._files.catalogue_file
        papers = 0
        for shard in range(self.layout.shards):
            if except_archived and catalogue.exists():
                self._read(shard, "attach_catalogue", path=uri_of(catalogue))
                papers += self._read(shard, "count_arxiv_papers_not_archived", **wanted)[0][0]
                self._read(shard, "detach_catalogue")
            else:
                papers += self._read(shard, "count_arxiv_papers", **wanted)[0][0]
        return papers

    def ids_with(self, statuses: Collection[Status], *, outdated: bool | None = None) -> Iterator[str]:
        wanted = {"statuses": json.dumps(sorted(statuses))}
        name = {None: "ids_with", True: "ids_outdated", False: "ids_not_outdated"}[outdated]
        for shard in range(self.layout.shards):
            with self._reading(shard) as connection:
                yield from (row["id"] for row in connection.execute(query(name), wanted))

    def sample_results(self, phase: Phase, limit: int) -> list[Mapping[str, Any]]:
        wanted = {"phase": phase.name, "status": phase.to_status, "limit": limit}
        rows = [row for shard in range(self.layout.shards) for row in self._read(shard, "sample_results", **wanted)]
        return [json.loads(row["result"]) for row in rows if row["result"] is not None]

    def shares_of_queue(
        self, phases: Collection[Phase], papers: int, not_failed_since: float = NEVER
    ) -> Mapping[int, Mapping[str, int]]:
        return queue.shares_of_queue(
            lambda shard: partial(self._read, shard), self.layout.shards, phases, papers, not_failed_since
        )

    def leases(self) -> Leases:
        held = expired = incoherent = 0
        oldest: float | None = None
        for shard in range(self.layout.shards):
            (row,) = self._read(shard, "leases", now=time.time())
            held, expired = held + row["held"], expired + row["expired"]
            incoherent += self._read(shard, "incoherent", statuses=json.dumps(ACTIVE_STATUSES))[0][0]
            if row["oldest_claimed_at"] is not None:
                oldest = min(oldest or row["oldest_claimed_at"], row["oldest_claimed_at"])
        return Leases(held, expired, incoherent, oldest)

    def suspects(self) -> int:
        statuses = json.dumps([each for each in Status if each is not Status.FAILED])
        return sum(self._read(shard, "count_suspects", statuses=statuses)[0][0] for shard in range(self.layout.shards))

    def paper(self, paper_id: str) -> PaperRow | None:
        shard = self.layout.shard_of(paper_id)
        rows = self._read(shard, "paper", id=paper_id)
        return self._paper_row(rows[0], shard) if rows else None

    def history(self, paper_id: str) -> list[HistoryLine]:
        return [HistoryLine(*row) for row in self._read(self.layout.shard_of(paper_id), "history", id=paper_id)]

    def page_of_papers(
        self,
        *,
        status: Status | None = None,
        reason: str | None = None,
        id_prefix: str = "",
        after: PlaceInList | None = None,
        limit: int,
    ) -> list[PaperRow]:
        wanted = Listing(status, reason, id_prefix, after)
        found = [
            self._paper_row(row, shard)
            for shard in range(self.layout.shards)
            for row in wanted.rows(partial(self._read, shard), limit)
        ]
        return nsmallest(limit, found, key=wanted.order)

    def papers(self) -> Iterator[PaperRow]:
        for shard in range(self.layout.shards):
            after = ""
            while rows := self._read(shard, "page", after=after, limit=PAGE_ROWS):
                for row in rows:
                    yield self._paper_row(row, shard)
                after = rows[-1]["id"]

    def select(self, selection: Selection = EVERY_PAPER, ids: Iterable[str] | None = None) -> Iterator[PaperRow]:
        with self._selecting(selection) as selecting:
            for rows in selecting.pages(ids):
                yield from rows

    def count_selected(self, selection: Selection = EVERY_PAPER, ids: Iterable[str] | None = None) -> int:
        with self._selecting(selection) as selecting:
            return selecting.count(ids)

    def pages_to_verify(self) -> Iterator[tuple[int, list[RowToVerify]]]:
        for shard in range(self.layout.shards):
            after = ""
            while rows := self._read(shard, "page_to_verify", after=after, limit=PAGE_ROWS):
                yield shard, [RowToVerify(*row) for row in rows]
                after = rows[-1][0]

    def times_of_events(self) -> tuple[float, float] | None:
        spans = [row for row in self._read_histories("times_of_events") if row["first"] is not None]
        return (min(row["first"] for row in spans), max(row["last"] for row in spans)) if spans else None

    def count_events(self, begins: float, ends: float, parts: int) -> Mapping[Event, int]:
        found: Counter[Event] = Counter()
        # A moment has no parts: all that happens in it is in the first.
        part_seconds = (ends - begins) / parts or 1.0
        stretch = {"begins": begins, "ends": ends, "part_seconds": part_seconds, "parts": parts}
        for row in self._read_histories("count_events", **stretch):
            found[Event(*row[:-1])] += row["events"]
        return found

    def results(self, phase: Phase, since: float = 0.0) -> Iterator[Mapping[str, Any]]:
        for shard in range(self.layout.shards):
            after = ""
            while rows := self._read(shard, "page_of_results", after=after, since=since, limit=PAGE_ROWS):
                yield from self._results_in(rows, shard, phase)
                after = rows[-1]["id"]

    def retry(self, selection: Selection = EVERY_PAPER, ids: Iterable[str] | None = None) -> Iterator[str]:
        if selection.statuses and Status.FAILED not in selection.statuses:
            return
        with self._selecting(replace(selection, statuses=(Status.FAILED,))) as selecting:
            for rows in selecting.pages(ids):
                by_shard: dict[int, list[str]] = {}
                for row in rows:
                    by_shard.setdefault(row.shard, []).append(row.paper_id)
                for shard, here in by_shard.items():
                    yield from self._retry(shard, here)

    def requeue(self, row: PaperRow, phase: Phase, detail: str) -> bool:
        now = time.time()
        forgotten = {each.name for each in PHASES[PHASES.index(phase) :]}
        parameters = {
            "from_status": phase.from_status,
            "now": now,
            "id": row.paper_id,
            "status": row.status,
            "changed_at": row.changed_at,
            "results": json.dumps({name: result for name, result in row.results.items() if name not in forgotten}),
        }
        with self._transaction(row.shard) as connection:
            done = bool(connection.execute(query("requeue"), parameters).fetchall())
            if done:
                connection.execute(query("remember"), _line(row.paper_id, now, "requeued", phase.name, detail))
        return done

    def redo(self, targets: Sequence[Target], before: Before | None = None) -> Changes:
        found = Changes()
        for shard, here in self._by_shard(targets):
            with self._transaction(shard) as connection:
                found += changes.redo(connection, here, before, time.time())
                reach("before_change")
            reach("after_change")
        return found

    def remove(self, targets: Sequence[Target], before: Before | None = None) -> Changes:
        by_file = {self._files.shard_file(shard): here for shard, here in self._by_shard(targets)}
        return changes.remove(by_file, before)

    def _by_shard(self, targets: Iterable[Target]) -> Iterator[tuple[int, list[Target]]]:
        by_shard: dict[int, list[Target]] = {}
        for target in targets:
            by_shard.setdefault(self.layout.shard_of(target.paper_id), []).append(target)
        yield from sorted(by_shard.items())

    def _retry(self, shard: int, ids: list[str]) -> list[str]:
        now = time.time()
        parameters = {
            "from_statuses": json.dumps({phase.name: phase.from_status for phase in PHASES}),
            "failed_status": Status.FAILED,
            "now": now,
            "ids": json.dumps(ids),
        }
        with self._transaction(shard) as connection:
            back = connection.execute(query("retry"), parameters).fetchall()
            lines = [_line(row["id"], now, "retried", phase_from(row["status"]).name) for row in back]
            connection.executemany(query("remember"), lines)
        return [row["id"] for row in back]

    @contextmanager
    def _selecting(self, selection: Selection) -> Iterator[Selecting]:
        """Raises StoreError if the conditions need a catalogue and there is none, or it knows no such category."""
        if not selection.needs_catalogue:
            yield Selecting(selection, self.layout, self._read, self._paper_row, None)
            return
        with open_catalogue(self._files) as catalogue:
            if catalogue is None:
                raise NoCatalogueError
            check_categories(catalogue, selection.categories)
            yield Selecting(selection, self.layout, self._read, self._paper_row, catalogue)

    def _results_in(self, rows: Iterable[sqlite3.Row], shard: int, phase: Phase) -> Iterator[Mapping[str, Any]]:
        for row in rows:
            try:
                result = _RESULTS.decode(row["results"]).get(phase.name)
            except msgspec.MsgspecError as error:
                raise nonsense(self._files.shard_file(shard), row["id"], ValueError(error)) from None
            if result is not None:
                yield result

    def _read_histories(self, name: str, **parameters: Any) -> Iterator[sqlite3.Row]:
        """The rows of a query for all lines of history, so many at a time that no read lasts long."""
        for shard in range(self.layout.shards):
            ((last,),) = self._read(shard, "last_of_history")
            for after in range(0, last or 0, HISTORY_LINES):
                yield from self._read(shard, name, after=after, last=min(after + HISTORY_LINES, last), **parameters)

    def _read(self, shard: int, name: str, **parameters: Any) -> list[sqlite3.Row]:
        """The rows of the query called `name`. Raises StoreError."""
        with self._reading(shard) as connection:
            return connection.execute(query(name), parameters).fetchall()

    @contextmanager
    def _reading(self, shard: int) -> Iterator[sqlite3.Connection]:
        try:
            yield self._connections[shard]
        except sqlite3.Error as error:
            raise damaged(self._files.shard_file(shard), error) from None

    def _paper_row(self, row: sqlite3.Row, shard: int) -> PaperRow:
        try:
            return paper_row(row, shard)
        except ValueError as error:
            raise nonsense(self._files.shard_file(shard), row["id"], error) from None

    @contextmanager
    def _transaction(self, shard: int) -> Iterator[sqlite3.Connection]:
        with transaction_on(self._connections[shard], self._files.shard_file(shard)) as connection:
            yield connection


def _line(paper_id: str, now: float, event: str, phase: str | None = None, detail: str | None = None) -> dict[str, Any]:
    """A line of history for an event other than the end of a claim."""
    return {
        "id": paper_id,
        "now": now,
        "event": event,
        "phase": phase,
        "attempt": 0,
        "failure": None,
        "detail": detail,
    }
