"""Changes of a page of papers in one shard file: sending them back to the first phase, taking them out.

Guarantee: each call belongs to one transaction, which the caller opens; what the rows say is looked up in it, so
nothing is done to a paper that is held or has changed. Limit: the papers of one page are in memory.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from rpa_shard.model.phase import INITIAL_STATUS, PREP
from rpa_shard.store.changes import Before, Changes, Target, has_moved
from rpa_shard.store.sqlite.queries import query


def redo(connection: sqlite3.Connection, targets: Sequence[Target], before: Before | None, now: float) -> Changes:
    """Sends papers back; as `Ledger.redo`."""
    rows, free, found = _looked_up(connection, targets)
    ids = [paper_id for paper_id in free if rows[paper_id]["status"] != INITIAL_STATUS]
    if ids:
        if before is not None:
            before(ids)
        given = json.dumps(ids)
        connection.execute(query("redo"), {"ids": given, "from_status": INITIAL_STATUS, "now": now})
        connection.execute(query("remember_all"), {"ids": given, "now": now, "event": "redo", "phase": PREP.name})
    return found + Changes(done=len(ids), waiting=len(free) - len(ids))


def remove(connection: sqlite3.Connection, targets: Sequence[Target], before: Before | None) -> Changes:
    """Deletes rows and histories; as `Ledger.remove`."""
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


def _looked_up(
    connection: sqlite3.Connection, targets: Sequence[Target]
) -> tuple[dict[str, sqlite3.Row], list[str], Changes]:
    """The rows of the targets; which of them may be changed, in order of id; and how many may not."""
    wanted = {target.paper_id: target for target in targets}
    # In order of id they lie side by side in the file.
    given = json.dumps(sorted(wanted))
    rows: dict[str, sqlite3.Row] = {row["id"]: row for row in connection.execute(query("targets"), {"ids": given})}
    free = [
        paper_id
        for paper_id, row in rows.items()
        if not row["held"] and not has_moved(row["changed_at"], wanted[paper_id])
    ]
    held = sum(row["held"] for row in rows.values())
    return rows, free, Changes(held=held, moved=len(rows) - held - len(free), unknown=len(wanted) - len(rows))
