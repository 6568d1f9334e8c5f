"""The rows and histories of a store in memory, and the rules for every change of a row."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from rpa_shard.ipc.shard_report import BackOff
from rpa_shard.model.paper import Claim
from rpa_shard.model.phase import ACTIVE_STATUSES, CLAIMED_STATUSES, Status, phase_holding
from rpa_shard.store.outcome import Outcome
from rpa_shard.store.rows import Counts, HistoryLine, PaperRow


class Papers:
    """All rows and histories. Every row goes through `put`, which refuses what the phases do not allow."""

    def __init__(self) -> None:
        self.rows: dict[str, PaperRow] = {}
        self.history: dict[str, list[HistoryLine]] = {}

    def put(self, row: PaperRow) -> None:
        held = row.status in ACTIVE_STATUSES
        assert held == (row.lease_id is not None) == (row.lease_expires_at is not None), row
        assert row.attempts >= 0, row
        assert row.worker >= 0, row
        failed = row.status is Status.FAILED
        assert not failed or row.failure is not None, row
        assert failed == (row.failed_phase is not None), row
        self.rows[row.paper_id] = row

    def remember(self, paper_id: str, line: HistoryLine) -> None:
        self.history.setdefault(paper_id, []).append(line)

    def of_shard(self, shard: int) -> list[PaperRow]:
        """The rows of a shard, in order of id."""
        return sorted((row for row in self.rows.values() if row.shard == shard), key=lambda row: row.paper_id)

    def in_order(self) -> list[PaperRow]:
        return sorted(self.rows.values(), key=lambda row: (row.shard, row.paper_id))

    def held_row(self, claim: Claim, shard: int) -> PaperRow | None:
        """The row of a claim that still holds its lease, if the paper belongs to the shard."""
        row = self.rows.get(claim.paper_id)
        return row if row is not None and (row.lease_id, row.shard) == (claim.lease_id, shard) else None

    def end(self, claim: Claim, outcome: Outcome, shard: int, now: float) -> bool:
        """Ends a claim, if it still holds its lease."""
        row = self.held_row(claim, shard)
        if row is None:
            return False
        results = dict(row.results)
        if outcome.result is not None:
            results[outcome.phase.name] = json.loads(json.dumps(outcome.result))
        self.put(
            replace(
                row,
                status=outcome.status,
                attempts={"keep": row.attempts, "refund": row.attempts - 1, "reset": 0}[outcome.attempts],
                next_attempt_at=now + outcome.delay_seconds,
                lease_id=None,
                lease_expires_at=None,
                suspect=outcome.suspect,
                failure=outcome.failure,
                failed_phase=outcome.phase.name if outcome.status is Status.FAILED else None,
                detail=outcome.detail,
                results=results,
                changed_at=now,
                outdated_before=None if outcome.result is not None else row.outdated_before,
            )
        )
        failure, detail = outcome.failure, outcome.detail
        line = HistoryLine(now, outcome.event, outcome.phase.name, claim.attempt, failure, detail)
        self.remember(claim.paper_id, line)
        return True


def counts_of(rows: Iterable[PaperRow], now: float) -> Counts:
    rows = list(rows)
    back_offs: dict[str, BackOff] = {}
    for row in rows:
        if row.status in CLAIMED_STATUSES and row.failure is not None and row.next_attempt_at > now:
            here = BackOff(1, row.next_attempt_at, row.next_attempt_at)
            back_offs[row.failure] = back_offs[row.failure].plus(here) if row.failure in back_offs else here
    failures = Counter(row.failure for row in rows if row.status is Status.FAILED and row.failure is not None)
    return Counts(dict(Counter(row.status.value for row in rows)), dict(failures), back_offs)


def claim_of(row: PaperRow) -> Claim:
    assert row.lease_id is not None
    return Claim(row.paper_id, phase_holding(row.status), row.lease_id, row.attempts, row.suspect, row.outdated_before)
