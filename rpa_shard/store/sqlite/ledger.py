"""All shard files of a data folder, as the commands see them: add, count, look up, read through, retry, reclaim.

Guarantee: works while a run is on and while none is; every write is one short transaction a shard file, under the
folder's layout lock. Limit: it never claims; leases belong to shards. Synchronous, for processes without a loop.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rpa_shard.model.failure import Failure
from rpa_shard.model.phase import PHASES, PREP, Status
from rpa_shard.store.folder import DataFolder, Layout, Manifest, StoreError
from rpa_shard.store.protocol import Counts
from rpa_shard.store.sqlite.queries import query
from rpa_shard.store.sqlite.shard_file import damaged, nonsense, open_shard_file
from rpa_shard.system.file_systems import refuse_network_file_system

PAGE_ROWS = 1000
# A source may ask for a day; nothing else makes a paper wait so long.
MAX_WAIT_SECONDS = 24 * 3600.0
# For the mean size of a PDF: so many of each shard's, and none from fewer than these.
SAMPLED_PDFS, MIN_PDFS = 1000, 50


@dataclass(frozen=True, slots=True)
class PaperRow:
    """One paper as its shard file has it. Times are Unix seconds; `results` is what each phase yielded."""

    paper_id: str
    shard: int
    priority: int
    status: Status
    attempts: int
    next_attempt_at: float
    lease_id: str | None
    lease_expires_at: float | None
    suspect: bool
    failure: str | None
    detail: str | None
    results: Mapping[str, Any]
    added_at: float
    changed_at: float


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One thing that happened to a paper."""

    at: float
    event: str
    attempt: int
    failure: str | None
    detail: str | None


@dataclass(frozen=True, slots=True)
class Leases:
    """The leases of a folder: `incoherent` rows are held without a lease, which the store makes impossible."""

    held: int
    expired: int
    incoherent: int
    oldest_claimed_at: float | None


class Ledger:
    """The shard files of one folder. Made by `open_ledger`."""

    def __init__(self, folder: DataFolder, layout: Layout, connections: Sequence[sqlite3.Connection]) -> None:
        self.folder = folder
        self.layout = layout
        self._connections = connections

    def add(self, paper_ids: Iterable[str], priority: int = 0) -> tuple[int, int]:
        """Queues papers; returns how many were new and how many were known already."""
        by_shard: dict[int, list[str]] = {}
        for paper_id in paper_ids:
            by_shard.setdefault(self.layout.shard_of(paper_id), []).append(paper_id)
        added = 0
        same = {"priority": priority, "status": Status.PENDING.value, "now": time.time()}
        for shard, ids in by_shard.items():
            with self._transaction(shard) as connection:
                # One statement for all: a statement for each takes three times as long.
                added += connection.execute(query("add"), {"ids": json.dumps(ids), **same}).rowcount
        return added, sum(map(len, by_shard.values())) - added

    def counts(self) -> Counts:
        """All papers by status, and failures by reason."""
        statuses: Counter[str] = Counter()
        failures: Counter[str] = Counter()
        for shard in range(self.layout.shards):
            statuses.update({row["status"]: row["papers"] for row in self._read(shard, "count_by_status")})
            failures.update({row["failure"]: row["papers"] for row in self._read(shard, "count_by_failure")})
        return Counts(dict(statuses), dict(failures))

    def arxiv_papers_to_do(self, *, but_for_archives: bool = False) -> int:
        """How many of the papers that a run would work on have arXiv ids, maybe without those in known archives."""
        if not (but_for_archives and self.folder.catalogue_file.exists()):
            return self._sum("count_arxiv_to_do")
        papers = 0
        for shard in range(self.layout.shards):
            self._read(shard, "attach_catalogue", path=str(self.folder.catalogue_file))
            papers += self._read(shard, "count_arxiv_to_do_not_archived")[0][0]
            self._read(shard, "detach_catalogue")
        return papers

    def ids_to_do(self) -> Iterator[str]:
        """The ids of the papers that a run would work on."""
        for shard in range(self.layout.shards):
            with self._reading(shard) as connection:
                yield from (row["id"] for row in connection.execute(query("ids_to_do")))

    def mean_pdf_bytes(self) -> float | None:
        """The mean size of some of the PDFs that were fetched; None where there are too few to tell."""
        total = papers = 0
        for shard in range(self.layout.shards):
            (row,) = self._read(shard, "pdf_sizes", most=SAMPLED_PDFS)
            total, papers = total + (row["total_bytes"] or 0), papers + row["papers"]
        return total / papers if papers >= MIN_PDFS else None

    def leases(self) -> Leases:
        """What the health check wants to know of leases."""
        held = expired = incoherent = 0
        oldest: float | None = None
        for shard in range(self.layout.shards):
            (row,) = self._read(shard, "leases", now=time.time())
            held, expired = held + row["held"], expired + row["expired"]
            incoherent += self._read(shard, "incoherent")[0][0]
            if row["oldest_claimed_at"] is not None:
                oldest = min(oldest or row["oldest_claimed_at"], row["oldest_claimed_at"])
        return Leases(held, expired, incoherent, oldest)

    def suspects(self) -> int:
        """How many papers wait to run alone, because their process died while parsing them."""
        return self._sum("count_suspects")

    def paper(self, paper_id: str) -> PaperRow | None:
        """One paper's row, or None if it was never added."""
        shard = self.layout.shard_of(paper_id)
        rows = self._read(shard, "paper", id=paper_id)
        return self._paper_row(rows[0], shard) if rows else None

    def history(self, paper_id: str) -> list[HistoryLine]:
        """What happened to one paper, oldest first."""
        return [HistoryLine(*row) for row in self._read(self.layout.shard_of(paper_id), "history", id=paper_id)]

    def papers(self) -> Iterator[PaperRow]:
        """Every paper, shard by shard, in order of id; memory stays flat and no lock is held in between."""
        for shard in range(self.layout.shards):
            after = ""
            while rows := self._read(shard, "page", after=after, limit=PAGE_ROWS):
                for row in rows:
                    yield self._paper_row(row, shard)
                after = rows[-1]["id"]

    def pages_to_recount(self) -> Iterator[tuple[int, list[tuple[str, str, float, str | None]]]]:
        """Shard, and id, status, time of change and results (as JSON, None without files) of its papers, in pages.

        For millions of papers: nothing is made of what is read.
        """
        for shard in range(self.layout.shards):
            after = ""
            while rows := self._read(shard, "page_to_recount", after=after, limit=PAGE_ROWS):
                yield shard, [tuple(row) for row in rows]
                after = rows[-1][0]

    def retry(self, paper_ids: Sequence[str] | None = None, failure: Failure | None = None) -> list[str]:
        """Puts failed papers back to pending: those named, or all; of one reason, or of any. Returns their ids."""
        moved: list[str] = []
        wanted: Sequence[str | None] = [None] if paper_ids is None else paper_ids
        for shard in range(self.layout.shards):
            here = [each for each in wanted if each is None or self.layout.shard_of(each) == shard]
            if not here:
                continue
            now = time.time()
            with self._transaction(shard) as connection:
                for paper_id in here:
                    parameters = {"claims": PREP.from_status, "now": now, "id": paper_id, "failure": failure}
                    back = [row["id"] for row in connection.execute(query("retry"), parameters)]
                    line = {"now": now, "event": "retried", "attempt": 0, "failure": None, "detail": None}
                    connection.executemany(query("remember"), [{"id": each, **line} for each in back])
                    moved += back
        return moved

    def requeue(self, row: PaperRow) -> bool:
        """Sends a finished paper back to pending because its files are damaged; False if its row has changed."""
        now = time.time()
        parameters = {
            "claims": PREP.from_status,
            "now": now,
            "id": row.paper_id,
            "status": row.status,
            "changed_at": row.changed_at,
        }
        line = {"id": row.paper_id, "now": now, "event": "requeued", "attempt": 0, "failure": None}
        with self._transaction(row.shard) as connection:
            done = bool(connection.execute(query("requeue"), parameters).fetchall())
            if done:
                connection.execute(query("remember"), line | {"detail": "its files were damaged"})
        return done

    def _sum(self, name: str) -> int:
        return sum(self._read(shard, name)[0][0] for shard in range(self.layout.shards))

    def _read(self, shard: int, name: str, **parameters: Any) -> list[sqlite3.Row]:
        """The rows of the query called `name`. Raises StoreError."""
        with self._reading(shard) as connection:
            return connection.execute(query(name), parameters).fetchall()

    @contextmanager
    def _reading(self, shard: int) -> Iterator[sqlite3.Connection]:
        try:
            yield self._connections[shard]
        except sqlite3.Error as error:
            raise damaged(self.folder.shard_file(shard), error) from None

    def _paper_row(self, row: sqlite3.Row, shard: int) -> PaperRow:
        try:
            return paper_row(row, shard)
        except ValueError as error:
            raise nonsense(self.folder.shard_file(shard), row["id"], error) from None

    @contextmanager
    def _transaction(self, shard: int) -> Iterator[sqlite3.Connection]:
        with transaction(self._connections[shard], self.folder, shard) as connection:
            yield connection


@contextmanager
def open_ledger(folder: DataFolder, layout_if_new: Layout | None = None) -> Iterator[Ledger]:
    """The folder's ledger, under its layout lock; a new folder is made where `layout_if_new` is given.

    Raises StoreError, and with a clear line where there is nothing yet or a resize was cut short.
    """
    if layout_if_new is not None:
        make_folder(folder, layout_if_new)
    elif folder.read_manifest() is None:
        raise StoreError(f"no papers in {folder.root} yet: add some with `add`")
    with folder.shared(), ExitStack() as opened:
        manifest = folder.read_manifest()
        if manifest is None or manifest.moving_to is not None:
            raise StoreError(f"a resize of {folder.root} was cut short: `run` finishes it")
        connections = [
            opened.enter_context(closing(open_shard_file(folder.shard_file(shard))))
            for shard in range(manifest.layout.shards)
        ]
        yield Ledger(folder, manifest.layout, connections)


def make_folder(folder: DataFolder, layout: Layout) -> Manifest:
    """The folder's manifest; a new folder is made with `layout`, its manifest last. Raises StoreError."""
    refuse_network_file_system(folder.root)
    try:
        (folder.root / "shards").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{folder.root} cannot be used as data folder: {error.strerror}") from None
    with folder.exclusive():
        manifest = folder.read_manifest()
        if manifest is None:
            for shard in range(layout.shards):
                open_shard_file(folder.shard_file(shard), create=True).close()
            manifest = Manifest(layout)
            folder.write_manifest(manifest)
    return manifest


def reclaim(folder: DataFolder, shard: int, suspects: frozenset[str]) -> int:
    """Frees every lease of a shard file at once, and cuts waits that are too long; returns how many leases there were.

    Only the owner of the file may do so: the run's supervisor before a shard starts. `suspects` were inside native
    code when their process died: they are charged and marked; all others are handed back free of charge.
    """
    path = folder.shard_file(shard)
    with closing(open_shard_file(path)) as connection, transaction(connection, folder, shard):
        now = time.time()
        for phase in PHASES:
            connection.execute(query("mend_waits"), {"claims": phase.from_status, "now": now})
            connection.execute(query("clamp_waits"), {"claims": phase.from_status, "latest": now + MAX_WAIT_SECONDS})
        held = connection.execute(query("held")).fetchall()
        outcomes = [_reclaimed(row, row["id"] in suspects, now) for row in held]
        connection.execute(query("finish"), {"outcomes": json.dumps(outcomes), "now": now}).fetchall()
        lines = [
            {**outcome, "now": now, "failure": None, "attempt": row["attempts"]}
            for outcome, row in zip(outcomes, held, strict=True)
        ]
        connection.executemany(query("remember"), lines)
    return len(held)


def _reclaimed(row: sqlite3.Row, suspected: bool, now: float) -> dict[str, Any]:
    phase = next(phase for phase in PHASES if phase.active_status == row["status"])
    return {
        "id": row["id"],
        "lease_id": row["lease_id"],
        "status": phase.from_status,
        "attempts": "keep" if suspected else "refund",
        "next_attempt_at": now,
        "suspect": int(suspected or row["suspect"]),
        "failure": None,
        "phase": None,
        "result": None,
        "event": "suspected" if suspected else "reclaimed",
        "detail": "its process died while parsing it" if suspected else "its process died",
    }


@contextmanager
def transaction(connection: sqlite3.Connection, folder: DataFolder, shard: int) -> Iterator[sqlite3.Connection]:
    """One immediate transaction on a shard file; SQLite's errors come out as StoreError."""
    with transaction_on(connection, folder.shard_file(shard)):
        yield connection


@contextmanager
def transaction_on(connection: sqlite3.Connection, path: Path) -> Iterator[sqlite3.Connection]:
    """One immediate transaction on the file at `path`; SQLite's errors come out as StoreError."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    except sqlite3.Error as error:
        raise damaged(path, error) from None


def paper_row(row: sqlite3.Row, shard: int) -> PaperRow:
    """A row as a value. Raises ValueError for one that was damaged."""
    return PaperRow(
        paper_id=row["id"],
        shard=shard,
        priority=row["priority"],
        status=Status(row["status"]),
        attempts=row["attempts"],
        next_attempt_at=row["next_attempt_at"],
        lease_id=row["lease_id"],
        lease_expires_at=row["lease_expires_at"],
        suspect=bool(row["suspect"]),
        failure=row["failure"],
        detail=row["detail"],
        results=json.loads(row["results"]),
        added_at=row["added_at"],
        changed_at=row["changed_at"],
    )
