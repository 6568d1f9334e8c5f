"""The database as the source or the target of a move from or to a data folder.

Guarantee: as in `rpa_shard.store.moving`; the mark is a row, and so is seen by every node. Limit: rows that were moved
elsewhere stay in the database, which takes no others: a later move needs an empty one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from psycopg import Connection
from psycopg.rows import DictRow

from rpa_shard.store.layout import Layout
from rpa_shard.store.moving import Mark, MovedPaper, Totals
from rpa_shard.store.postgres import layouts
from rpa_shard.store.postgres.connections import try_to_connect
from rpa_shard.store.postgres.errors import place_of
from rpa_shard.store.postgres.ledger.rows import paper_row
from rpa_shard.store.postgres.ledger.session import Session, rows, written
from rpa_shard.store.postgres.migrating import applied, migrate
from rpa_shard.store.postgres.shard.counting import forget_counts
from rpa_shard.store.postgres.shard.outcome_columns import as_json, storable
from rpa_shard.store.rows import HistoryLine

T = TypeVar("T")
PAGE_ROWS = 1000


@dataclass(frozen=True, slots=True)
class MovableDatabase:
    """The database at `url`, as `node` sees it; implements `rpa_shard.store.moving.MovableStore`."""

    url: str
    node: str

    @property
    def place(self) -> str:
        return self.url

    @property
    def shown(self) -> str:
        return place_of(self.url)

    def mark(self) -> Mark | None:
        return self._steadily(lambda connection: layouts.read_mark(connection) if applied(connection) else None)

    def set_mark(self, mark: Mark | None) -> None:
        with closing(self._session()) as session:
            session.steadily(migrate)
            # Whoever relies on the layout holds this lock: commands that are reading or writing.
            session.steadily(layouts.lock_all)
            session.transaction(lambda connection: layouts.write_mark(connection, mark))

    def layout(self) -> Layout | None:
        def work(connection: Connection[DictRow]) -> Layout | None:
            stored = layouts.read_layout(connection, self.node, marked=True)
            return stored.layout if stored is not None else None

        return self._steadily(work)

    def make(self, layout: Layout) -> None:
        self._steadily(lambda connection: layouts.make(connection, self.node, layout))

    def totals(self) -> Totals:
        def work(connection: Connection[DictRow]) -> Totals:
            if not applied(connection):
                return Totals()
            (row,) = rows(connection, "totals")
            return Totals(row["papers"], row["held"], row["lines"], row["nodes"] or ())

        return self._steadily(work)

    def pages(self) -> Iterator[Sequence[MovedPaper]]:
        layout = self.layout()
        assert layout is not None
        after = ""
        with closing(self._session()) as session:
            while found := session.read("page", after=after, limit=PAGE_ROWS):
                lines: dict[str, list[HistoryLine]] = {}
                for line in session.read("histories", ids=[row["id"] for row in found]):
                    lines.setdefault(line.pop("paper_id"), []).append(HistoryLine(**line))
                yield [
                    MovedPaper(paper_row(row, layout.shard_of_worker(row["worker"])), lines.get(row["id"], ()))
                    for row in found
                ]
                after = found[-1]["id"]

    def take_in(self, papers: Sequence[MovedPaper]) -> None:
        columns = {**_papers(papers), **_results(papers), **_lines(papers), "node": self.node}
        with closing(self._session()) as session:
            session.transaction(lambda connection: written(connection, "take_in", **columns))

    def retire(self) -> None:
        """The rows stay: they are refused by their mark."""
        self._steadily(forget_counts)

    def _session(self) -> Session:
        return Session(self.url, lambda: try_to_connect(self.url))

    def _steadily(self, work: Callable[[Connection[DictRow]], T]) -> T:
        with closing(self._session()) as session:
            return session.steadily(work)


def _papers(papers: Sequence[MovedPaper]) -> dict[str, list[Any]]:
    found = [asdict(each.row) for each in papers]
    names = ("worker", "priority", "status", "attempts", "next_attempt_at", "suspect", "failure", "failed_phase")
    times = ("added_at", "changed_at", "outdated_before")
    columns = {name: [row[name] for row in found] for name in (*names, *times)}
    details = [None if row["detail"] is None else storable(row["detail"]) for row in found]
    return {**columns, "id": [row["paper_id"] for row in found], "detail": details}


def _results(papers: Sequence[MovedPaper]) -> dict[str, list[Any]]:
    found = [(each.row.paper_id, phase, as_json(made)) for each in papers for phase, made in each.row.results.items()]
    return {
        "result_of": [paper_id for paper_id, _, _ in found],
        "result_phase": [phase for _, phase, _ in found],
        "result": [made for _, _, made in found],
    }


def _lines(papers: Sequence[MovedPaper]) -> dict[str, list[Any]]:
    found = [(each.row.paper_id, line) for each in papers for line in each.history]
    names = ("at", "event", "phase", "attempt", "failure")
    columns: dict[str, list[Any]] = {f"line_{name}": [getattr(line, name) for _, line in found] for name in names}
    columns["line_detail"] = [None if line.detail is None else storable(line.detail) for _, line in found]
    return {**columns, "line_of": [paper_id for paper_id, _ in found]}
