"""From a row of a shard file to a value.

Guarantee: pure; a damaged row raises an error, and never becomes half a value. Limit: rows of the present format.
"""

from __future__ import annotations

import json
import sqlite3

from rpa_shard.model.phase import Status
from rpa_shard.store.rows import PaperRow


def paper_row(row: sqlite3.Row, shard: int) -> PaperRow:
    """A row as a value. Raises ValueError if it is damaged."""
    return PaperRow(
        paper_id=row["id"],
        worker=row["worker"],
        shard=shard,
        priority=row["priority"],
        status=Status(row["status"]),
        attempts=row["attempts"],
        next_attempt_at=row["next_attempt_at"],
        lease_id=row["lease_id"],
        lease_expires_at=row["lease_expires_at"],
        suspect=bool(row["suspect"]),
        failure=row["failure"],
        failed_phase=row["failed_phase"],
        detail=row["detail"],
        results=json.loads(row["results"]),
        added_at=row["added_at"],
        changed_at=row["changed_at"],
        outdated_before=row["outdated_before"],
    )


def check_row(row: sqlite3.Row) -> None:
    """Raises ValueError for a row, of any format, that `paper_row` could not read."""
    Status(row["status"])
    json.loads(row["results"])
