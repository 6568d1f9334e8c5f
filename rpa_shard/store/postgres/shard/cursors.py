"""Where the next claim begins to look: what was claimed before leaves dead entries in an index until it is vacuumed.

Guarantee: pure; a cursor stands for "nothing before this place could be claimed a moment ago", and is dropped by
whatever this process puts before it. Limit: what other processes put before it, other than by the ledger, whose changes
are counted by a version, is found when the cursor is too old: after a second, or 20 times what a complete look took.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rpa_shard.store.outcome import Outcome

LEAST_SECONDS, LOOKS_SHARE = 1.0, 20.0
# Clocks of one server, read within one transaction or the next, differ by less.
_MARGIN_SECONDS = 2.0
_START: Mapping[str, Any] = {
    "from_minus_priority": -(2**63), "from_second": 0.0, "from_worker": 0, "from_version": -1, "looked_at": 0.0,
    "valid_seconds": 0.0,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place among the waiting papers of a phase: priority, second, worker.

    `version` is how often all changes from outside were counted, `looked_at` when everything was looked through last,
    `claimed_at` when the cursor was made (Unix seconds of the clock that claims use).
    """

    minus_priority: int
    second: float
    worker: int
    version: int
    looked_at: float
    claimed_at: float
    valid_seconds: float
    not_failed_since: float

    def is_passed_by(self, minus_priority: int, outcome: Outcome) -> bool:
        """Whether a paper of that priority that is put back now may stand before it."""
        if minus_priority != self.minus_priority:
            return minus_priority < self.minus_priority
        return self.second > self.claimed_at + min(0.0, outcome.delay_seconds) - _MARGIN_SECONDS


def start_of(cursor: Cursor | None, not_failed_since: float) -> Mapping[str, Any]:
    """What the query `claim` needs: where to begin, and under which conditions not at the very first paper."""
    if cursor is None or cursor.not_failed_since != not_failed_since:
        return _START
    return {
        "from_minus_priority": cursor.minus_priority, "from_second": cursor.second, "from_worker": cursor.worker,
        "from_version": cursor.version, "looked_at": cursor.looked_at, "valid_seconds": cursor.valid_seconds,
    }  # fmt: skip


def cursor_after(
    before: Cursor | None, rows: list[dict[str, Any]], seconds: float | None, not_failed_since: float
) -> Cursor:
    """The cursor at the last of the papers that were claimed, in `seconds` (None: the clock is that of a test)."""
    last = max(rows, key=lambda row: (row["minus_priority"], row["second"], row["worker"]))
    looked_at, valid = last["now"], LEAST_SECONDS
    if before is not None and not last["from_start"]:
        looked_at, valid = before.looked_at, before.valid_seconds
    elif seconds is not None:
        valid = max(LEAST_SECONDS, LOOKS_SHARE * seconds)
    return Cursor(
        last["minus_priority"],
        last["second"],
        last["worker"],
        last["version"],
        looked_at,
        last["now"],
        valid,
        not_failed_since,
    )
