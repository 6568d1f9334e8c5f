"""Finding the damaged shard files of a folder, and putting whole ones in their place.

Guarantee: a damaged file is kept, with its log, before anything takes its place; a repair that is cut short can be run
again, and until then the file is refused, so nothing is built on half of it; files that are whole are not touched. No
paper that can be read, or that has files, is lost, and a paper that another file has is not made twice. Limit: a paper
that waited, whose row and index entries are gone, is known to nobody.

The caller holds the run lock and the layout lock.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rpa_shard.model.phase import PREP
from rpa_shard.store.folder import DataFolder, Manifest, StoreError, sync_folder
from rpa_shard.store.outcome import completed
from rpa_shard.store.sqlite.ledger import paper_row, transaction_on
from rpa_shard.store.sqlite.queries import query
from rpa_shard.store.sqlite.repair.pages import Losses, records_of
from rpa_shard.store.sqlite.repair.rows import Row, Salvage, blank_row, salvage
from rpa_shard.store.sqlite.shard_file import FORMAT, SHARD_FILE, identity_of, open_shard_file, rebuilt
from rpa_shard.system.failpoints import reach

PAGE_ROWS = 1000
CUT_SHORT = "its repair was cut short"


@dataclass(frozen=True, slots=True)
class Known:
    """A paper that has files: `result` is its row's result where text and record are whole, None with only a PDF."""

    paper_id: str
    result: Mapping[str, Any] | None


@dataclass(slots=True)
class Repaired:
    """What became of one damaged file. Counts are papers, but for `losses`."""

    path: Path
    damage: str
    kept_as: Path | None = None
    whole: int = 0
    without_row: int = 0
    from_files: int = 0
    losses: Losses = field(default_factory=Losses)

    @property
    def papers(self) -> int:
        return self.whole + self.without_row + self.from_files


def shard_numbers(folder: DataFolder, manifest: Manifest) -> list[int]:
    """The shards that have a file; while a move is under way, those whose file is there."""
    if manifest.moving_to is None:
        return list(range(manifest.layout.shards))
    most = max(manifest.layout.shards, manifest.moving_to.shards)
    return [number for number in range(most) if folder.shard_file(number).exists()]


def find_damage(path: Path) -> str | None:
    """What is wrong with a shard file, in a few words; reads all of it, and changes nothing.

    Raises StoreError for a file of a newer version.
    """
    if rebuilt(path).exists():
        return CUT_SHORT
    if not path.exists():
        return "missing"
    if path.stat().st_size == 0:
        return "empty"
    try:
        # Read-only: whoever may write empties the log into the file when it closes, and the file is damaged.
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            return _damage_inside(connection, path)
    except sqlite3.Error as error:
        return str(error)


def _damage_inside(connection: sqlite3.Connection, path: Path) -> str | None:
    application, version = identity_of(connection)
    if application != SHARD_FILE.application_id:
        return "not a shard file"
    if version > FORMAT:
        raise StoreError(f"{path} has format {version}, newer than ours ({FORMAT}): update rpa_shard")
    (first, *_) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if first != "ok":
        return " ".join(str(first).split())
    try:
        for row in _all_rows(connection):
            paper_row(row, 0)
    except ValueError as error:
        return f"a row that makes no sense: {error}"
    return None


def ids_in(path: Path) -> Iterator[str]:
    """The papers of a file that is whole."""
    with closing(open_shard_file(path)) as connection:
        yield from (row["id"] for row in _all_rows(connection))


def _all_rows(connection: sqlite3.Connection) -> Iterator[sqlite3.Row]:
    after = ""
    while rows := connection.execute(query("page"), {"after": after, "limit": PAGE_ROWS}).fetchall():
        yield from rows
        after = rows[-1]["id"]


def repair_file(
    folder: DataFolder, manifest: Manifest, shard: int, damage: str, known: Iterable[Known], elsewhere: set[str]
) -> Repaired:
    """Rebuilds the file of `shard`. `elsewhere` are the papers of the files that are whole. Raises StoreError."""
    path = folder.shard_file(shard)
    done = Repaired(path, damage)
    layouts = [each for each in (manifest.layout, manifest.moving_to) if each is not None]

    def is_here(paper_id: str) -> bool:
        return paper_id not in elsewhere and any(each.shard_of(paper_id) == shard for each in layouts)

    try:
        found = salvage(records_of(path, done.losses))
        part = path.with_name(path.name + ".part")
        for leftover in _with_logs(part):
            leftover.unlink(missing_ok=True)
        done.kept_as = _keep(folder, path)
        _write(part, found, (each for each in known if is_here(each.paper_id)), is_here, done)
        _put_in_place(path, part)
    except OSError as error:
        raise StoreError(f"{path} cannot be repaired: {error}; it is as it was") from None
    return done


def _write(part: Path, found: Salvage, known: Iterable[Known], is_here: Callable[[str], bool], done: Repaired) -> None:
    now = time.time()
    with closing(open_shard_file(part, create=True)) as connection:
        with transaction_on(connection, part):
            whole = [row for row in found.rows.values() if is_here(row["id"])]
            connection.executemany(query("restore_paper"), whole)
            lines = (line for _, line in sorted(found.history.items()) if is_here(line["paper_id"]))
            connection.executemany(query("restore_history"), lines)
            done.whole = len(whole)
            finished: dict[str, Mapping[str, Any] | None] = {}
            for each in known:
                finished[each.paper_id] = each.result or finished.get(each.paper_id)
            for row in found.without_rows():
                if is_here(row["id"]) and finished.get(row["id"]) is None:
                    done.without_row += 1
                    _restore(connection, row, now, "its row could not be read")
            for paper_id, result in finished.items():
                done.from_files += _restore(connection, _from_files(paper_id, result), now, "known by its files")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA journal_mode = DELETE")
    reach("repair_written")


def _restore(connection: sqlite3.Connection, row: Row, now: float, detail: str) -> int:
    times = {"next_attempt_at": now, "added_at": now, "changed_at": now}
    added = connection.execute(query("restore_paper"), {**row, **times}).rowcount
    if added:
        line = {"id": row["id"], "now": now, "event": "repaired", "attempt": 0, "failure": row["failure"]}
        connection.execute(query("remember"), line | {"detail": detail})
    return added


def _from_files(paper_id: str, result: Mapping[str, Any] | None) -> Row:
    if result is None:
        return blank_row(paper_id)
    outcome = completed(PREP, result)
    return {**blank_row(paper_id), "status": outcome.status, "results": json.dumps({PREP.name: result})}


def _keep(folder: DataFolder, path: Path) -> Path | None:
    """Copies a damaged file and its log aside, durably; where the copy is, None if there is no file."""
    if not path.exists():
        return None
    aside = folder.damaged / f"{time.strftime('%Y%m%d-%H%M%S')}-{time.monotonic_ns()}"
    aside.mkdir(parents=True)
    for file in _with_logs(path):
        if file.exists():
            copy = aside / file.name
            shutil.copy2(file, copy)
            _sync_file(copy)
    for each in (aside, aside.parent, folder.root):
        sync_folder(each)
    return aside / path.name


def _put_in_place(path: Path, part: Path) -> None:
    """From the first rename on the new file counts, and `find_damage` knows how far this came."""
    _sync_file(part)
    part.replace(rebuilt(path))
    sync_folder(path.parent)
    reach("repair_ready")
    finish(path)


def finish(path: Path) -> None:
    """Puts a rebuilt file in its place; the old log goes first: it would be applied to the new file."""
    for log in _with_logs(path)[1:]:
        log.unlink(missing_ok=True)
    sync_folder(path.parent)
    reach("repair_log_gone")
    rebuilt(path).replace(path)
    sync_folder(path.parent)


def _with_logs(path: Path) -> list[Path]:
    return [path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")]


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
