"""The vocabulary of the whole program: statuses, phases, failures, claims.

Guarantee: every word that a row, a record, a log line or a command uses for a paper's state is defined here,
once. Limit: words only; what follows from a failure is policy (`rpa_shard.failures`), and where states are
kept is the store's business (`rpa_shard.store`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """The one state that a paper is in. Held statuses carry a lease, all others carry none."""

    PENDING = "pending"
    PREPPING = "prepping"
    PREPPED = "prepped"
    ANALYZING = "analyzing"
    ANALYZED = "analyzed"
    WRAPPING = "wrapping"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Phase:
    """One stage of work as data: what it claims, what a paper is while held, what it yields."""

    name: str
    claims: Status
    holds: Status
    yields: Status


PREP = Phase("prep", Status.PENDING, Status.PREPPING, Status.PREPPED)
ANALYZE = Phase("analyze", Status.PREPPED, Status.ANALYZING, Status.ANALYZED)
WRAP = Phase("wrap", Status.ANALYZED, Status.WRAPPING, Status.DONE)
PHASES = (PREP, ANALYZE, WRAP)
HELD_STATUSES = tuple(phase.holds for phase in PHASES)


class Failure(StrEnum):
    """Why an attempt came to nothing. The values are stable: records, `retry --reason` and reports use them."""

    RATE_LIMITED = "rate_limited"
    BLOCKED = "blocked"
    SERVER_ERROR = "server_error"
    NETWORK = "network"
    TIMEOUT = "timeout"
    TOO_SLOW = "too_slow"
    TRUNCATED = "truncated"
    NOT_A_PDF = "not_a_pdf"
    WRONG_PAPER = "wrong_paper"
    NOT_FOUND = "not_found"
    GONE = "gone"
    WITHDRAWN = "withdrawn"
    LEGAL = "legal"
    TOO_LARGE = "too_large"
    REDIRECT_LOOP = "redirect_loop"
    FORBIDDEN_REDIRECT = "forbidden_redirect"
    DISK_FULL = "disk_full"
    BAD_PDF = "bad_pdf"
    EXTRACT_TIMEOUT = "extract_timeout"
    POISON = "poison"
    BUG = "bug"


class PaperError(Exception):
    """An attempt at one paper failed in a way that we have a word for.

    `retry_after_seconds` is the source's own wish (a Retry-After header), where it had one.
    """

    def __init__(self, failure: Failure, detail: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(f"{failure}: {detail}")
        self.failure = failure
        self.detail = detail
        self.retry_after_seconds = retry_after_seconds


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on one paper: the fencing token of every later write about this attempt.

    `attempt` counts from 1 and is charged when the claim is made. A `suspect` was inside native code when its
    process died, and must run alone in a child that may be killed.
    """

    paper_id: str
    lease_id: str
    attempt: int
    suspect: bool = False
