"""Finding the damaged shard files of a folder, and putting new ones in their place.

Guarantee: a damaged file is kept, with its log, before anything takes its place; a repair that is cut short can be run
again, and until then the file is refused, so no process uses half of it; intact files are not touched. No paper that
can be read, or that has files, is lost, and a paper that is in another file is not added twice. A file of an older
format is repaired as well, and the new file has the current format. Limit: a waiting paper whose row and index entries
are gone leaves no trace.

The caller holds the run lock and the layout lock.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from rpa_shard.model.errors import StoreError
from rpa_shard.store.layout import Layout, StoredLayout
from rpa_shard.store.outcome import completed
from rpa_shard.store.repairs import KnownPaper, RepairedFile
from rpa_shard.store.sqlite.companions import companions_of, remove_with_companions, with_companions
from rpa_shard.store.sqlite.files import SQLiteFiles
from rpa_shard.store.sqlite.paper_rows import check_row
from rpa_shard.store.sqlite.queries import query
from rpa_shard.store.sqlite.salvage.aside import copy_aside, new_folder_aside
from rpa_shard.store.sqlite.salvage.pages import records_of
from rpa_shard.store.sqlite.salvage.rows import Row, Salvage, blank_row, salvage
from rpa_shard.store.sqlite.shard_file import (
    SHARD_FILE,
    damaged,
    identity_of,
    is_full,
    newer_format,
    open_shard_file,
    open_to_read,
    rebuilt,
    transaction_on,
)
from rpa_shard.system.failpoints import reach
from rpa_shard.system.files import PART_ENDING, sync_file, sync_folder

PAGE_ROWS = 1000
CUT_SHORT = "its repair was cut short"


def find_damage(path: Path) -> str | None:
    """The damage of a shard file of any format, in a few words; reads the complete file and changes nothing.

    Raises StoreError for a file of a newer version.
    """
    if rebuilt(path).exists():
        return CUT_SHORT
    if not path.exists():
        return "missing"
    if path.stat().st_size == 0:
        return "empty"
    try:
        with closing(open_to_read(path)) as connection:
            return _damage_inside(connection, path)
    except sqlite3.Error as error:
        if is_full(error):
            raise damaged(path, error) from None
        return str(error)


def _damage_inside(connection: sqlite3.Connection, path: Path) -> str | None:
    application, version = identity_of(connection)
    if application != SHARD_FILE.application_id:
        return "not a shard file"
    if version > SHARD_FILE.format:
        raise newer_format(path, version, SHARD_FILE.format)
    (first, *_) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if first != "ok":
        return " ".join(str(first).split())
    try:
        for row in _all_rows(connection):
            check_row(row)
    except ValueError as error:
        return f"a row that makes no sense: {error}"
    return None


def ids_in(path: Path) -> Iterator[str]:
    """The papers of an intact file."""
    with closing(open_shard_file(path, older=True)) as connection:
        yield from (row["id"] for row in _all_rows(connection))


def _all_rows(connection: sqlite3.Connection) -> Iterator[sqlite3.Row]:
    after = ""
    while rows := connection.execute(query("page"), {"after": after, "limit": PAGE_ROWS}).fetchall():
        yield from rows
        after = rows[-1]["id"]


def repair_file(
    files: SQLiteFiles, stored: StoredLayout, shard: int, damage: str, known: Iterable[KnownPaper], elsewhere: set[str]
) -> RepairedFile:
    """Rebuilds the file of `shard`. `elsewhere` are the papers of the files that are intact. Raises StoreError."""
    path = files.shard_file(shard)
    done = RepairedFile(path, damage)
    layouts = [each for each in (stored.layout, stored.moving_to) if each is not None]

    def is_here(paper_id: str) -> bool:
        return paper_id not in elsewhere and any(each.shard_of(paper_id) == shard for each in layouts)

    try:
        found = salvage(records_of(path, done.losses))
        part = path.with_name(path.name + PART_ENDING)
        remove_with_companions(part)
        done.kept_as = _keep(files, path)
        _NewFile(part, stored.layout, is_here, done).write(found, [each for each in known if is_here(each.paper_id)])
        _put_in_place(path, part)
    except OSError as error:
        raise StoreError(f"{path} cannot be repaired: {error}; it is unchanged") from None
    return done


@dataclass(frozen=True, slots=True)
class _NewFile:
    """A shard file that is being written; counts in `done` what goes into it."""

    path: Path
    layout: Layout
    is_here: Callable[[str], bool]
    done: RepairedFile

    def write(self, found: Salvage, known: Iterable[KnownPaper]) -> None:
        now = time.time()
        with closing(open_shard_file(self.path, create=True)) as connection:
            with transaction_on(connection, self.path):
                self._write_intact(connection, found)
                self._write_others(connection, found, _best_known(known), now)
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.execute("PRAGMA journal_mode = DELETE")
        reach("repair_written")

    def _write_intact(self, connection: sqlite3.Connection, found: Salvage) -> None:
        rows = [self._with_worker(row) for row in found.rows.values() if self.is_here(row["id"])]
        connection.executemany(query("restore_paper"), rows)
        lines = (line for _, line in sorted(found.history.items()) if self.is_here(line["paper_id"]))
        connection.executemany(query("restore_history"), lines)
        self.done.intact = len(rows)

    def _write_others(
        self, connection: sqlite3.Connection, found: Salvage, known: Mapping[str, KnownPaper], now: float
    ) -> None:
        for row in found.without_rows():
            has_result = row["id"] in known and known[row["id"]].result is not None
            if self.is_here(row["id"]) and not has_result:
                self.done.without_row += 1
                self._restore(connection, row, now, "its row could not be read")
        for each in known.values():
            self.done.from_files += self._restore(connection, _from_files(each), now, "known by its files")

    def _restore(self, connection: sqlite3.Connection, row: Row, now: float, detail: str) -> int:
        times = {"next_attempt_at": now, "added_at": now, "changed_at": now}
        added = connection.execute(query("restore_paper"), {**self._with_worker(row), **times}).rowcount
        if added:
            line = {"id": row["id"], "now": now, "event": "repaired", "phase": None, "attempt": 0}
            connection.execute(query("remember"), line | {"failure": row["failure"], "detail": detail})
        return added

    def _with_worker(self, row: Row) -> Row:
        return {**row, "worker": self.layout.worker_of(row["id"])}


def _best_known(known: Iterable[KnownPaper]) -> Mapping[str, KnownPaper]:
    """One entry for each paper: one with a result, if there is one."""
    best: dict[str, KnownPaper] = {}
    for each in known:
        if each.result is not None or each.paper_id not in best:
            best[each.paper_id] = each
    return best


def _from_files(known: KnownPaper) -> Row:
    if known.result is None:
        return blank_row(known.paper_id)
    outcome = completed(known.phase, known.result)
    return {
        **blank_row(known.paper_id),
        "status": outcome.status,
        "results": json.dumps({known.phase.name: known.result}),
    }


def _keep(files: SQLiteFiles, path: Path) -> Path | None:
    """Copies a damaged file and its log aside, durably; returns the path of the copy, or None if there is no file."""
    if not path.exists():
        return None
    aside = new_folder_aside(files)
    for file in with_companions(path):
        if file.exists():
            copy_aside(file, aside)
    for each in (aside, aside.parent, files.root):
        sync_folder(each)
    return aside / path.name


def _put_in_place(path: Path, part: Path) -> None:
    """From the first rename on, the new file counts, and `find_damage` can tell how far the repair got."""
    sync_file(part)
    part.replace(rebuilt(path))
    sync_folder(path.parent)
    reach("repair_ready")
    finish(path)


def finish(path: Path) -> None:
    """Puts a rebuilt file in its place; removes the old log first, since SQLite would apply it to the new file."""
    for log in companions_of(path):
        log.unlink(missing_ok=True)
    sync_folder(path.parent)
    reach("repair_log_gone")
    rebuilt(path).replace(path)
    sync_folder(path.parent)
