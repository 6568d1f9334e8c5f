"""Choosing papers as a set: which queries find those that meet the conditions.

Guarantee: what is read grows with the papers that the narrowest condition leaves, not with those of the folder; between
two pages no statement is open, and a caller may change the papers that it was given: none is given twice, and none that
stays as it is gets passed over. Limit: a paper that a run changes meanwhile may be passed over.

The narrowest condition gives ids, page by page, out of an index; then the rows of a page are read by their ids, and all
other conditions are checked on them.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from itertools import islice
from typing import Any

from rpa_shard.model.phase import ACTIVE_STATUSES, Status
from rpa_shard.store.catalogue import Catalogue
from rpa_shard.store.layout import Layout
from rpa_shard.store.rows import PaperRow
from rpa_shard.store.selection import EVERY_PAPER, Selection
from rpa_shard.store.sqlite.listing import ABOVE_ALL_PRIORITIES
from rpa_shard.store.sqlite.seen import Seen

PAGE_IDS = 1000
# Statuses that few papers have, whatever else is asked for.
_OF_FEW = frozenset({*ACTIVE_STATUSES, Status.FAILED})

Read = Callable[..., list[sqlite3.Row]]


class Selecting:
    """The papers of all shards that meet the conditions of `wanted`.

    `read` takes a shard, a query's name and its parameters; `row_of` makes a value of a row and its shard; `catalogue`
    is needed where the conditions need it.
    """

    def __init__(
        self,
        wanted: Selection,
        layout: Layout,
        read: Read,
        row_of: Callable[[sqlite3.Row, int], PaperRow],
        catalogue: Catalogue | None,
    ) -> None:
        self._wanted = wanted
        self._layout = layout
        self._read = read
        self._row_of = row_of
        self._catalogue = catalogue
        self._conditions: dict[str, Any] = {
            "statuses": _as_json(wanted.statuses),
            "reasons": _as_json(wanted.reasons),
            "failed_phases": _as_json(tuple(phase.name for phase in wanted.failed_phases)),
            "flags": _as_json(wanted.flags),
            "since": wanted.since,
        }

    def pages(self, ids: Iterable[str] | None) -> Iterator[list[PaperRow]]:
        """The papers, in pages: of those with the given ids, in their order, or of all."""
        if ids is not None:
            yield from self._named(iter(ids))
        elif self._wanted == EVERY_PAPER:
            yield from self._everything()
        elif self._is_by_catalogue:
            yield from self._catalogued()
        else:
            for shard in range(self._layout.shards):
                with closing(Seen()) as seen:
                    for page in self._ids_in(shard):
                        yield self._as_catalogued(self._rows(shard, seen.new(page)))

    def count(self, ids: Iterable[str] | None) -> int:
        """How many papers that is, out of an index alone where one is enough."""
        wanted = self._wanted
        if ids is not None or wanted.since is not None or wanted.needs_catalogue or (wanted.flags and wanted.reasons):
            return sum(map(len, self.pages(ids)))
        if wanted.failed_phases or (wanted.flags and wanted.statuses):
            return sum(map(len, self.pages(None)))
        return sum(map(self._count_in, range(self._layout.shards)))

    def _count_in(self, shard: int) -> int:
        if self._wanted.flags:
            return sum(self._number(shard, "count_flagged", flags=flags) for flags in self._sets_of_flags(shard))
        statuses = json.dumps(self._statuses)
        if self._wanted.reasons:
            return self._number(shard, "count_with_failures", reasons=self._conditions["reasons"], statuses=statuses)
        return self._number(shard, "count_with_statuses", statuses=statuses)

    @property
    def _statuses(self) -> tuple[Status, ...]:
        statuses = self._wanted.statuses or tuple(Status)
        return tuple(each for each in statuses if each is Status.FAILED) if self._wanted.failed_phases else statuses

    @property
    def _is_by_catalogue(self) -> bool:
        """Whether the catalogue has the narrowest condition."""
        wanted = self._wanted
        if not wanted.needs_catalogue or wanted.reasons or wanted.flags or _OF_FEW.issuperset(self._statuses):
            return False
        return bool(wanted.words) or wanted.since is None

    def _named(self, ids: Iterator[str]) -> Iterator[list[PaperRow]]:
        while page := list(islice(ids, PAGE_IDS)):
            by_shard: dict[int, list[str]] = {}
            for each in dict.fromkeys(page):
                by_shard.setdefault(self._layout.shard_of(each), []).append(each)
            rows = {row.paper_id: row for shard, here in by_shard.items() for row in self._rows(shard, here)}
            yield self._as_catalogued([rows[each] for each in page if each in rows])

    def _everything(self) -> Iterator[list[PaperRow]]:
        for shard in range(self._layout.shards):
            after = ""
            while rows := self._read(shard, "page", after=after, limit=PAGE_IDS):
                yield [self._row_of(row, shard) for row in rows]
                after = rows[-1]["id"]

    def _catalogued(self) -> Iterator[list[PaperRow]]:
        """Those of the catalogue; a paper of it may be here in several versions, each in the shard of its own id."""
        assert self._catalogue is not None
        after, wanted = 0, self._wanted
        while found := self._catalogue.find_papers(wanted.words, wanted.categories, after, PAGE_IDS):
            ids = json.dumps([each.paper_id for each in found])
            for shard in range(self._layout.shards):
                yield self._rows(shard, [row["id"] for row in self._read(shard, "ids_of_versions", ids=ids)])
            after = found[-1].number

    def _ids_in(self, shard: int) -> Iterator[list[str]]:
        if self._wanted.reasons:
            return self._ids_by_reason(shard)
        if self._wanted.flags:
            return self._ids_by_flag(shard)
        return self._ids_by_status(shard)

    def _ids_by_reason(self, shard: int) -> Iterator[list[str]]:
        for reason in self._wanted.reasons:
            for status in self._statuses:
                yield from self._in_order(shard, "ids_with_failure", reason=reason, status=status)

    def _ids_by_flag(self, shard: int) -> Iterator[list[str]]:
        for flags in self._sets_of_flags(shard):
            yield from self._in_order(shard, "ids_flagged", flags=flags)

    def _ids_by_status(self, shard: int) -> Iterator[list[str]]:
        """A paper that is not held has waited, or waits, since it changed: what changed lately is at the end."""
        for status in self._statuses:
            since = None if status in ACTIVE_STATUSES else self._wanted.since
            for priority in self._priorities(shard, status):
                place: dict[str, Any] = {"next_attempt_at": float("-inf") if since is None else since, "after": ""}
                where = {"status": status, "priority": priority, "limit": PAGE_IDS}
                while rows := self._read(shard, "ids_of_priority", **where, **place):
                    yield [row["id"] for row in rows]
                    place = {"next_attempt_at": rows[-1]["next_attempt_at"], "after": rows[-1]["id"]}

    def _in_order(self, shard: int, name: str, **parameters: Any) -> Iterator[list[str]]:
        after = ""
        while rows := self._read(shard, name, after=after, limit=PAGE_IDS, **parameters):
            yield [row["id"] for row in rows]
            after = rows[-1]["id"]

    def _priorities(self, shard: int, status: Status) -> Iterator[int]:
        below = ABOVE_ALL_PRIORITIES
        while True:
            ((priority,),) = self._read(shard, "highest_priority", status=status, below=below)
            if priority is None:
                return
            yield priority
            below = priority

    def _sets_of_flags(self, shard: int) -> list[str]:
        """The sets that have one of the flags, as the index has them."""
        sets = [row["flags"] for row in self._read(shard, "sets_of_flags")]
        return [each for each in sets if not set(self._wanted.flags).isdisjoint(json.loads(each))]

    def _rows(self, shard: int, ids: list[str]) -> list[PaperRow]:
        if not ids:
            return []
        rows = self._read(shard, "selected_rows", ids=json.dumps(ids), **self._conditions)
        return [self._row_of(row, shard) for row in rows]

    def _as_catalogued(self, rows: list[PaperRow]) -> list[PaperRow]:
        """Those that meet the conditions on titles and categories."""
        if self._catalogue is None or not self._wanted.needs_catalogue or not rows:
            return rows
        ids = [row.paper_id for row in rows]
        found = self._catalogue.matching(ids, self._wanted.words, self._wanted.categories)
        return [row for row in rows if row.paper_id in found]

    def _number(self, shard: int, name: str, **parameters: Any) -> int:
        ((number,),) = self._read(shard, name, **parameters)
        return int(number)


def _as_json(values: tuple[str, ...]) -> str | None:
    return json.dumps(values) if values else None
