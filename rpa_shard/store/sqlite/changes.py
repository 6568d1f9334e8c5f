"""Changes of sets of papers in shard files: sending them back to the first phase, taking them out.

Guarantee: a page of papers is one transaction; what the rows say is looked up in it, so nothing is done to a paper that
is held or has changed. No transaction takes long, so a run goes on meanwhile. Limit: the ids are in memory.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Event

from rpa_shard.model.phase import INITIAL_STATUS, PREP
from rpa_shard.store.changes import Before, Changes, Target, has_moved
from rpa_shard.store.sqlite.queries import query
from rpa_shard.store.sqlite.shard_file import open_shard_file, transaction_on
from rpa_shard.system.cores import usable_cores
from rpa_shard.system.failpoints import reach

# How many papers are removed in a transaction; fewer where files are removed in it, too.
PAGE_ROWS, PAGE_WITH_FILES = 30_000, 500


def redo(connection: sqlite3.Connection, targets: Sequence[Target], before: Before | None, now: float) -> Changes:
    """Sends papers back, in the caller's transaction; as `Ledger.redo`."""
    _check_writable(connection)
    rows, free, found = _looked_up(connection, targets)
    ids = [paper_id for paper_id in free if rows[paper_id]["status"] != INITIAL_STATUS]
    if ids:
        if before is not None:
            before(ids)
        given = json.dumps(ids)
        connection.execute(query("redo"), {"ids": given, "from_status": INITIAL_STATUS, "now": now})
        connection.execute(query("remember_all"), {"ids": given, "now": now, "event": "redo", "phase": PREP.name})
    return found + Changes(done=len(ids), waiting=len(free) - len(ids))


def remove(targets: Mapping[Path, Sequence[Target]], before: Before | None) -> Changes:
    """Deletes rows and histories; as `Ledger.remove`, of targets by shard file. Raises StoreError.

    With `before` one after the other, in this thread; otherwise several files at a time.
    """
    if before is not None or len(targets) < 2:
        return sum((_remove_from(path, here, before, Event()) for path, here in targets.items()), Changes())
    stopped = Event()
    with ThreadPoolExecutor(usable_cores(), "remove") as pool:
        try:
            parts = [pool.submit(_remove_from, path, here, None, stopped) for path, here in targets.items()]
            return sum((part.result() for part in parts), Changes())
        except BaseException:
            stopped.set()
            raise


def _remove_from(path: Path, targets: Sequence[Target], before: Before | None, stopped: Event) -> Changes:
    """Removes from one file, in pages of neighbours, so that each part of the file is read and written once."""
    found = Changes()
    in_order = sorted(targets, key=lambda target: target.paper_id)
    size = PAGE_ROWS if before is None else PAGE_WITH_FILES
    with closing(open_shard_file(path)) as connection:
        connection.execute(query("cache_pages"))
        connection.execute(query("checkpoint_seldom"))
        for start in range(0, len(in_order), size):
            if stopped.is_set():
                break
            with transaction_on(connection, path):
                found += _remove_page(connection, in_order[start : start + size], before)
                reach("before_change")
            reach("after_change")
    return found


def _remove_page(connection: sqlite3.Connection, targets: Sequence[Target], before: Before | None) -> Changes:
    _check_writable(connection)
    rows, free, found = _looked_up(connection, targets)
    if before is not None:
        named = dict.fromkeys(target.paper_id for target in targets)
        unknown = [paper_id for paper_id in named if paper_id not in rows]
        if free or unknown:
            before(free + unknown)
    if free:
        given = json.dumps(free)
        connection.execute(query("delete_papers"), {"ids": given})
        connection.execute(query("delete_histories"), {"ids": given})
    return found + Changes(done=len(free))


def _check_writable(connection: sqlite3.Connection) -> None:
    """Raises sqlite3.Error if the file may only be read, before the caller touches other files.

    Beginning a transaction does not tell; a statement that would write does, even if it finds nothing to delete.
    """
    connection.execute(query("delete_papers"), {"ids": "[]"})


def _looked_up(
    connection: sqlite3.Connection, targets: Sequence[Target]
) -> tuple[dict[str, sqlite3.Row], list[str], Changes]:
    """The rows of the targets; which of them may be changed, in order of id; and how many may not."""
    wanted = {target.paper_id: target for target in targets}
    given = json.dumps(sorted(wanted))
    rows: dict[str, sqlite3.Row] = {row["id"]: row for row in connection.execute(query("targets"), {"ids": given})}
    free = [
        paper_id
        for paper_id, row in rows.items()
        if not row["held"] and not has_moved(row["changed_at"], wanted[paper_id])
    ]
    held = sum(row["held"] for row in rows.values())
    return rows, free, Changes(held=held, moved=len(rows) - held - len(free), unknown=len(wanted) - len(rows))
