"""The shard files of a folder as the source or the target of a move to another store.

Guarantee: as in `rpa_shard.store.moving`; the mark is a file that is replaced complete or not at all. Limit: rows that
were moved elsewhere stay on the disk, in `before-move`, until somebody removes them.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any

from rpa_shard.model.errors import StoreError
from rpa_shard.store.layout import Layout
from rpa_shard.store.moving import FOLDER, Mark, MovedPaper, Totals
from rpa_shard.store.rows import HistoryLine, PaperRow
from rpa_shard.store.sqlite.files import SQLiteFiles
from rpa_shard.store.sqlite.opening import make_files
from rpa_shard.store.sqlite.paper_rows import paper_row
from rpa_shard.store.sqlite.queries import query
from rpa_shard.store.sqlite.shard_file import damaged, nonsense, open_shard_file, transaction_on
from rpa_shard.system.files import replace_file, sync_folder

PAGE_ROWS = 1000


@dataclass(frozen=True, slots=True)
class MovableFiles:
    """The files of a folder; implements `rpa_shard.store.moving.MovableStore`."""

    files: SQLiteFiles

    @property
    def place(self) -> str:
        return FOLDER

    @property
    def shown(self) -> str:
        return str(self.files.root)

    def mark(self) -> Mark | None:
        return self.files.read_mark()

    def set_mark(self, mark: Mark | None) -> None:
        self.files.root.mkdir(parents=True, exist_ok=True)
        with self.files.exclusive():
            if mark is not None:
                replace_file(self.files.mark_file, json.dumps(asdict(mark), indent=2).encode() + b"\n")
            else:
                self.files.mark_file.unlink(missing_ok=True)
                sync_folder(self.files.root)

    def layout(self) -> Layout | None:
        stored = self.files.read_manifest(marked=True)
        if stored is not None and stored.moving_to is not None:
            raise StoreError(f"a resize of {self.files.root} was cut short: `run` finishes it")
        return stored.layout if stored is not None else None

    def make(self, layout: Layout) -> None:
        make_files(self.files, layout)

    def totals(self) -> Totals:
        papers = held = lines = 0
        for shard in self._shards():
            (row,) = self._read(shard, "totals")
            papers, held, lines = papers + row["papers"], held + row["held"], lines + row["lines"]
        return Totals(papers, held, lines)

    def pages(self) -> Iterator[Sequence[MovedPaper]]:
        for shard in self._shards():
            after = ""
            while rows := self._read(shard, "page", after=after, limit=PAGE_ROWS):
                ids = json.dumps([row["id"] for row in rows])
                lines: dict[str, list[HistoryLine]] = {}
                for line in self._read(shard, "histories", ids=ids):
                    lines.setdefault(line["paper_id"], []).append(HistoryLine(*line[1:]))
                yield [MovedPaper(self._paper_row(row, shard), lines.get(row["id"], ())) for row in rows]
                after = rows[-1]["id"]

    def take_in(self, papers: Sequence[MovedPaper]) -> None:
        layout = self.layout()
        assert layout is not None
        by_shard: dict[int, list[MovedPaper]] = {}
        for paper in papers:
            by_shard.setdefault(layout.shard_of_worker(paper.row.worker), []).append(paper)
        for shard, here in by_shard.items():
            self._take_into(shard, here)

    def retire(self) -> None:
        aside = self.files.before_move
        manifest, shards = self.files.manifest_file, self.files.shard_file(0).parent
        if manifest.exists():
            number = len(list(aside.iterdir())) + 1 if aside.exists() else 1
            (aside / str(number)).mkdir(parents=True, exist_ok=True)
            manifest.replace(aside / str(number) / manifest.name)
        if shards.exists() and aside.exists():
            last = max(aside.iterdir(), key=lambda path: int(path.name))
            shards.replace(last / shards.name)
        if aside.exists():
            sync_folder(self.files.root)

    def _take_into(self, shard: int, papers: Iterable[MovedPaper]) -> None:
        path = self.files.shard_file(shard)
        with closing(open_shard_file(path)) as connection, transaction_on(connection, path):
            given = {paper.row.paper_id: paper for paper in papers}
            known = {row["id"] for row in connection.execute(query("targets"), {"ids": json.dumps(list(given))})}
            new = [paper for paper_id, paper in given.items() if paper_id not in known]
            connection.executemany(query("restore_paper"), (_row(paper.row) for paper in new))
            lines = (_line(paper.row.paper_id, line) for paper in new for line in paper.history)
            connection.executemany(query("remember"), lines)

    def _shards(self) -> Iterable[int]:
        layout = self.layout()
        return range(layout.shards) if layout is not None else ()

    def _read(self, shard: int, name: str, **parameters: Any) -> list[sqlite3.Row]:
        path = self.files.shard_file(shard)
        with closing(open_shard_file(path)) as connection:
            try:
                return connection.execute(query(name), parameters).fetchall()
            except sqlite3.Error as error:
                raise damaged(path, error) from None

    def _paper_row(self, row: sqlite3.Row, shard: int) -> PaperRow:
        try:
            return paper_row(row, shard)
        except ValueError as error:
            raise nonsense(self.files.shard_file(shard), row["id"], error) from None


def _row(row: PaperRow) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in PaperRow.__dataclass_fields__}
    return values | {"id": row.paper_id, "results": json.dumps(row.results), "suspect": int(row.suspect)}


def _line(paper_id: str, line: HistoryLine) -> dict[str, Any]:
    return {**asdict(line), "id": paper_id, "now": line.at}
