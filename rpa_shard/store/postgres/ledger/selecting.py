"""Choosing papers as a set.

Guarantee: pages are read forward by id, each in a short statement whose plan PostgreSQL chooses by what the conditions
leave; no paper is given twice, whatever becomes of those that were given. Limit: where few papers meet the conditions
and no index knows them, a page may read through all papers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from psycopg.rows import DictRow

from rpa_shard.store.catalogue import Catalogue
from rpa_shard.store.postgres.ledger.session import Session
from rpa_shard.store.postgres.shard.outcome_columns import storable
from rpa_shard.store.rows import PaperRow
from rpa_shard.store.selection import Selection

PAGE_IDS = 1000


class Selecting:
    """The papers that meet the conditions of `wanted`; `catalogue` is needed where the conditions need it."""

    def __init__(
        self,
        session: Session,
        wanted: Selection,
        row_of: Callable[[DictRow], PaperRow],
        catalogue: Catalogue | None,
    ) -> None:
        self._session = session
        self._wanted = wanted
        self._row_of = row_of
        self._catalogue = catalogue
        self._conditions: dict[str, Any] = {
            "statuses": _texts(wanted.statuses),
            "reasons": _texts(wanted.reasons),
            "failed_phases": _texts(phase.name for phase in wanted.failed_phases),
            "flags": _texts(wanted.flags),
            "since": wanted.since,
        }

    def pages(self, ids: Iterable[str] | None) -> Iterator[list[PaperRow]]:
        """The papers, in pages: of those with the given ids, in their order, or of all."""
        if ids is not None:
            yield from self._named(iter(ids))
        elif self._is_by_catalogue:
            yield from self._catalogued()
        elif self._wanted.flags:
            for page in self._in_order("page_of_flagged_ids", flags=self._conditions["flags"]):
                yield self._as_catalogued(self._rows([row["id"] for row in page]))
        else:
            for page in self._in_order("selected_page", **self._conditions):
                yield self._as_catalogued([self._row_of(row) for row in page])

    def count(self, ids: Iterable[str] | None) -> int:
        """How many papers that is."""
        if ids is not None or self._wanted.needs_catalogue:
            return sum(map(len, self.pages(ids)))
        return int(self._session.read("count_selected", **self._conditions)[0]["papers"])

    @property
    def _is_by_catalogue(self) -> bool:
        """Whether the catalogue has the narrowest condition."""
        wanted = self._wanted
        return wanted.needs_catalogue and not (wanted.reasons or wanted.flags or wanted.failed_phases)

    def _in_order(self, name: str, **parameters: Any) -> Iterator[list[DictRow]]:
        after = ""
        while rows := self._session.read(name, after=after, limit=PAGE_IDS, **parameters):
            yield rows
            after = rows[-1]["id"]

    def _named(self, ids: Iterator[str]) -> Iterator[list[PaperRow]]:
        while page := list(islice(ids, PAGE_IDS)):
            rows = {row.paper_id: row for row in self._rows(list(dict.fromkeys(page)))}
            yield self._as_catalogued([rows[each] for each in page if each in rows])

    def _catalogued(self) -> Iterator[list[PaperRow]]:
        """Those of the catalogue; a paper of it may be here in several versions."""
        assert self._catalogue is not None
        after, wanted = 0, self._wanted
        while found := self._catalogue.find_papers(wanted.words, wanted.categories, after, PAGE_IDS):
            ids = _texts(each.paper_id for each in found)
            yield self._rows([row["id"] for row in self._session.read("ids_of_versions", ids=ids)])
            after = found[-1].number

    def _rows(self, ids: list[str]) -> list[PaperRow]:
        if not ids:
            return []
        known = [each for each in ids if storable(each) == each]
        return [self._row_of(row) for row in self._session.read("selected_rows", ids=known, **self._conditions)]

    def _as_catalogued(self, rows: list[PaperRow]) -> list[PaperRow]:
        """Those that meet the conditions on titles and categories."""
        if self._catalogue is None or not self._wanted.needs_catalogue or not rows:
            return rows
        found = self._catalogue.matching([row.paper_id for row in rows], self._wanted.words, self._wanted.categories)
        return [row for row in rows if row.paper_id in found]


def _texts(values: Iterable[str]) -> list[str] | None:
    """As a condition: none is met by every paper."""
    return [storable(str(each)) for each in values] or None
