"""What a store says of papers: rows, history lines, counts, leases.

Guarantee: frozen values, the same whichever engine holds the rows. Limit: a copy; the row may have changed since.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from rpa_shard.ipc.shard_report import BackOff
from rpa_shard.model.phase import Status

# Later than every moment, in Unix seconds.
NEVER = 2.0**53


@dataclass(frozen=True, slots=True)
class PaperRow:
    """One paper's row. Times are Unix seconds; `results` has the result of each completed phase, by its name.

    `worker` is the shard key. `failed_phase` names the phase in which a failed paper failed, and is None for others.
    What was made of the paper before `outdated_before` is to be made again.
    """

    paper_id: str
    worker: int
    shard: int
    priority: int
    status: Status
    attempts: int
    next_attempt_at: float
    lease_id: str | None
    lease_expires_at: float | None
    suspect: bool
    failure: str | None
    failed_phase: str | None
    detail: str | None
    results: Mapping[str, Any]
    added_at: float
    changed_at: float
    outdated_before: float | None = None

    @property
    def place(self) -> PlaceInList:
        """Where it stands in a list."""
        return PlaceInList(self.priority, self.next_attempt_at, self.paper_id)


class Columns(Protocol):
    """A row of a database, by the names of its columns."""

    def __getitem__(self, name: str, /) -> Any: ...


def paper_row(row: Columns, shard: int, results: Mapping[str, Any]) -> PaperRow:
    """A row as a value, with results that have been decoded. Raises ValueError if its status is damaged."""
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
        results=results,
        added_at=row["added_at"],
        changed_at=row["changed_at"],
        outdated_before=row["outdated_before"],
    )


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One event in a paper's history. `phase` is None for an event outside any phase."""

    at: float
    event: str
    phase: str | None
    attempt: int
    failure: str | None
    detail: str | None


class PlaceInList(NamedTuple):
    """Where a paper stands in a list of papers; what comes after it is the next page."""

    priority: int
    next_attempt_at: float
    paper_id: str


class RowToVerify(NamedTuple):
    """What `verify` looks at, for millions of papers: `results` is JSON text, None if there are no results."""

    paper_id: str
    status: str
    failed_phase: str | None
    changed_at: float
    results: str | None


class Event(NamedTuple):
    """A kind of event in a part of a stretch of time, numbered from 0; what happened as in `HistoryLine`."""

    part: int
    event: str
    phase: str | None
    attempt: int
    failure: str | None


class Ended(NamedTuple):
    """How many claims have ended, by phase, then by how; `mark` stands for the moment of the count."""

    mark: int
    claims: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Counts:
    """How many papers are in each status, failed for good or wait for another attempt, the last two by reason."""

    by_status: Mapping[str, int] = field(default_factory=dict)
    by_failure: Mapping[str, int] = field(default_factory=dict)
    back_offs: Mapping[str, BackOff] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Leases:
    """The leases of a store. `incoherent` papers are held without a lease, which the store makes impossible."""

    held: int
    expired: int
    incoherent: int
    oldest_claimed_at: float | None
