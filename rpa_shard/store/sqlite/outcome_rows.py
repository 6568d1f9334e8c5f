"""How the end of a claim is written: the parameters of the queries `finish` and `remember`.

Guarantee: pure; ends of claims and reclaimed leases are written in the same way. Limit: the queries decide whether a
claim still holds.
"""

from __future__ import annotations

from typing import Any

from rpa_shard.model.phase import Status
from rpa_shard.store.outcome import Outcome


def outcome_row(paper_id: str, lease_id: str, outcome: Outcome, now: float) -> dict[str, Any]:
    """What `finish` writes into the row."""
    return {
        "id": paper_id,
        "lease_id": lease_id,
        "status": outcome.status,
        "attempts": outcome.attempts,
        "next_attempt_at": now + outcome.delay_seconds,
        "suspect": int(outcome.suspect),
        "failure": outcome.failure,
        "failed_phase": outcome.phase.name if outcome.status is Status.FAILED else None,
        "detail": outcome.detail,
        "phase": outcome.phase.name,
        "result": outcome.result,
    }


def outcome_line(paper_id: str, attempt: int, outcome: Outcome, now: float) -> dict[str, Any]:
    """What `remember` appends to the history."""
    return {
        "id": paper_id,
        "now": now,
        "event": outcome.event,
        "phase": outcome.phase.name,
        "attempt": attempt,
        "failure": outcome.failure,
        "detail": outcome.detail,
    }
