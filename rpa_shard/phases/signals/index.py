"""The index of the corpus: titles and abstracts for full-text search, and who cites whom, in one SQLite file.

Guarantee: derived from records alone, so it may be removed at any time, and is made again; one process writes it, in
short transactions, and any number read it meanwhile. Limit: what is not yet written is not found, and a loss of power
may take the last changes with it, which are made again.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rpa_shard.phases.signals.queries import query, schema
from rpa_shard.system.files import make_folder_durably, real_path

APPLICATION_ID, FORMAT = 0x52504147, 1
BUSY_SECONDS = 10.0
COMPANIONS = ("-wal", "-shm")
# While there is always somebody who reads, SQLite's log would grow for ever.
MAX_LOG_BYTES = 64 * 2**20
# Facts: how many papers are indexed, and how many were when words and tags were counted last.
PAPERS, COUNTED = "papers", "counted"


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedPaper:
    """What is indexed of a paper; `cited` are canonical ids without version, `categories` are separated by spaces."""

    paper_id: str
    row_id: str
    record_sha256: str
    title: str
    abstract: str
    categories: str
    cited: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """What the index has of a paper."""

    number: int
    row_id: str
    record_sha256: str


class ForeignFileError(sqlite3.DatabaseError):
    """The file is not an index of this format."""


def open_index(path: Path, *, create: bool = False, any_thread: bool = False) -> sqlite3.Connection:
    """A connection to the index, to write it if it may be created. Raises sqlite3.Error (ForeignFileError)."""
    mode = "rwc" if create else "rw"
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=not any_thread,
    )
    try:
        connection.row_factory = sqlite3.Row
        if create:
            _make(connection)
        if _identity(connection) != (APPLICATION_ID, FORMAT):
            raise ForeignFileError(f"{path} is not an index of this version")
        if not create:
            connection.execute("PRAGMA query_only = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def _make(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    # All of it can be made again, and a loss of power takes no more than the last changes.
    connection.execute("PRAGMA synchronous = NORMAL")
    if _identity(connection) == (0, 0) and connection.execute("SELECT 1 FROM sqlite_schema").fetchone() is None:
        with transaction(connection):
            for statement in schema():
                connection.execute(statement)


def _identity(connection: sqlite3.Connection) -> tuple[int, int]:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return application, version


def put_aside(path: Path, damaged: Path) -> Path:
    """Moves a file that cannot be used, and its companions, into the folder `damaged`; the last one is kept."""
    make_folder_durably(damaged)
    for ending in ("", *COMPANIONS):
        each = path.with_name(path.name + ending)
        if each.exists():
            each.replace(damaged / each.name)
    return damaged / path.name


def inode_of(path: Path) -> tuple[int, int] | None:
    """What stands for the file that is at a path now; None if there is none. Opens nothing."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """One immediate transaction. Raises sqlite3.Error."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def shorten_log(connection: sqlite3.Connection, path: Path) -> None:
    """Empties the log of the index at `path` if it has become long; waits for those who read. Raises sqlite3.Error."""
    file = real_path(path)
    log = file.with_name(file.name + COMPANIONS[0])
    if log.exists() and log.stat().st_size > MAX_LOG_BYTES:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


def known(connection: sqlite3.Connection, paper_ids: Collection[str]) -> Mapping[str, Known]:
    """What the index has of some papers, by their ids without version."""
    rows = connection.execute(query("known"), {"ids": json.dumps(list(paper_ids))})
    return {row["id"]: Known(row["number"], row["row_id"], row["record_sha256"]) for row in rows}


def add_papers(connection: sqlite3.Connection, papers: Iterable[IndexedPaper]) -> None:
    """Indexes papers, also again, in one transaction. Raises sqlite3.Error."""
    last = {paper.paper_id: paper for paper in papers}
    with transaction(connection):
        there = known(connection, last)
        for paper in last.values():
            _add(connection, paper, there.get(paper.paper_id))
        _count(connection, len(last) - len(there))


def forget_papers(connection: sqlite3.Connection, numbers: Sequence[int]) -> None:
    """Forgets papers, in one transaction. Raises sqlite3.Error."""
    with transaction(connection):
        for number in numbers:
            for name in ("forget_text", "forget_citations", "forget_paper"):
                connection.execute(query(name), {"number": number})
        _count(connection, -len(numbers))


def fact(connection: sqlite3.Connection, name: str) -> int:
    """A number that is known of the index; 0 if it is not."""
    row = connection.execute(query("fact"), {"name": name}).fetchone()
    return 0 if row is None else int(row["value"])


def note_fact(connection: sqlite3.Connection, name: str, value: int) -> None:
    """Notes a number."""
    connection.execute(query("note_fact"), {"name": name, "value": value})


def _add(connection: sqlite3.Connection, paper: IndexedPaper, there: Known | None) -> None:
    columns = {
        "row_id": paper.row_id,
        "record_sha256": paper.record_sha256,
        "title": paper.title,
        "abstract": paper.abstract,
        "categories": paper.categories,
    }
    if there is None:
        (number,) = connection.execute(query("add_paper"), {"id": paper.paper_id, **columns}).fetchone()
    else:
        number = there.number
        connection.execute(query("forget_text"), {"number": number})
        connection.execute(query("forget_citations"), {"number": number})
        connection.execute(query("change_paper"), {"number": number, **columns})
    connection.execute(query("add_text"), {"number": number})
    connection.execute(query("add_citations"), {"number": number, "cited": json.dumps(paper.cited)})


def _count(connection: sqlite3.Connection, more: int) -> None:
    if more:
        note_fact(connection, PAPERS, fact(connection, PAPERS) + more)
