"""Freeing the leases of a shard whose process is gone.

Guarantee: one transaction; suspects are charged according to the cause of the death, other papers are not. Limit: the
caller holds the run lock, and no process works on the shard.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing

from rpa_shard.model.phase import PHASES, phase_holding
from rpa_shard.store.outcome import Outcome, reclaimed, suspected
from rpa_shard.store.sqlite.files import SQLiteFiles
from rpa_shard.store.sqlite.outcome_rows import outcome_line, outcome_row
from rpa_shard.store.sqlite.queries import query
from rpa_shard.store.sqlite.shard_file import open_shard_file, transaction_on

# A source may ask for a day; no other wait is this long.
MAX_WAIT_SECONDS = 24 * 3600.0


def reclaim(files: SQLiteFiles, shard: int, suspects: Mapping[str, bool]) -> int:
    """Frees every lease of a shard file at once, and shortens waits that are too long; returns the number of leases.

    See `rpa_shard.store.protocol.StoreEngine.reclaim`.
    """
    path = files.shard_file(shard)
    with closing(open_shard_file(path)) as connection, transaction_on(connection, path):
        now = time.time()
        for phase in PHASES:
            connection.execute(query("mend_waits"), {"from_status": phase.from_status, "now": now})
            latest = now + MAX_WAIT_SECONDS
            connection.execute(query("clamp_waits"), {"from_status": phase.from_status, "latest": latest})
        held = connection.execute(query("held")).fetchall()
        outcomes = [_reclaimed(row, suspects.get(row["id"])) for row in held]
        rows = [
            outcome_row(row["id"], row["lease_id"], outcome, now) for row, outcome in zip(held, outcomes, strict=True)
        ]
        connection.execute(query("finish"), {"outcomes": json.dumps(rows), "now": now}).fetchall()
        connection.executemany(
            query("remember"),
            [
                outcome_line(row["id"], row["attempts"], outcome, now)
                for row, outcome in zip(held, outcomes, strict=True)
            ],
        )
    return len(held)


def _reclaimed(row: sqlite3.Row, suspected_and_charged: bool | None) -> Outcome:
    phase = phase_holding(row["status"])
    if suspected_and_charged is not None:
        return suspected(phase, "its process died while parsing it", charged=suspected_and_charged)
    return reclaimed(phase, "its process died", suspect=bool(row["suspect"]))
