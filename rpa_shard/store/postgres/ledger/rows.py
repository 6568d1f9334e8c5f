"""From a row of the view `paper_rows` to a value.

Guarantee: pure. Limit: rows of the present schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rpa_shard.model.phase import PHASES, Status
from rpa_shard.store.rows import PaperRow


def paper_row(row: Mapping[str, Any], shard: int) -> PaperRow:
    """A row as a value; its results in the order of the phases."""
    results = row["results"]
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
        suspect=row["suspect"],
        failure=row["failure"],
        failed_phase=row["failed_phase"],
        detail=row["detail"],
        results={phase.name: results[phase.name] for phase in PHASES if phase.name in results},
        added_at=row["added_at"],
        changed_at=row["changed_at"],
        outdated_before=row["outdated_before"],
    )
