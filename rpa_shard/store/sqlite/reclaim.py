"""Freeing the leases of a shard whose process is gone.

Guarantee: one transaction; suspects are charged according to the cause of the death, other papers are not. Limit: the
caller holds the run lock, and no process works on the shard.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import closing

from rpa_shard.model.phase import PHASES, phase_holding
from rpa_shard.store.outcome import MAX_WAIT_SECONDS, reclaimed_or_suspected
from rpa_shard.store.sqlite.files import SQLiteFiles
from rpa_shard.store.sqlite.outcome_rows import outcome_line, outcome_row
from rpa_shard.store.sqlite.queries import query
from rpa_shard.store.sqlite.shard_file import open_shard_file, transaction_on


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
        outcomes = [
            reclaimed_or_suspected(phase_holding(row["status"]), suspects.get(row["id"]), suspect=bool(row["suspect"]))
            for row in held
        ]
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
