"""How a claim can end: one value that says what becomes of the row.

Guarantee: pure; every end of a claim is one of the four made here, so the rules of charging and of the suspect
mark stand in one place. Limit: whether the claim still holds is decided by the store, when it writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from rpa_shard.paper import Failure, Phase, Status


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a settled row becomes.

    `attempts` says what happens to the charge: "keep" it, "refund" it, or "reset" the count for the next phase.
    `result` goes under `phase` into the row's results, where there is one.
    """

    event: str
    status: Status
    attempts: Literal["keep", "refund", "reset"]
    delay_seconds: float = 0.0
    suspect: bool = False
    failure: Failure | None = None
    detail: str | None = None
    phase: str | None = None
    result: Mapping[str, Any] | None = None


def completed(phase: Phase, result: Mapping[str, Any]) -> Outcome:
    """The phase's work is done and its artifacts are on disk."""
    return Outcome(phase.yields.value, phase.yields, "reset", phase=phase.name, result=result)


def failed(failure: Failure, detail: str, *, suspect: bool = False) -> Outcome:
    """The paper is failed for good; `suspect` stays with it, so that a retry is as careful."""
    return Outcome("failed", Status.FAILED, "keep", suspect=suspect, failure=failure, detail=detail)


def postponed(
    phase: Phase, failure: Failure, detail: str, delay_seconds: float, *, charged: bool, suspect: bool
) -> Outcome:
    """The attempt failed and another one follows after a delay; `charged` is False where it costs no attempt."""
    return Outcome("postponed", phase.claims, "keep" if charged else "refund", delay_seconds, suspect, failure, detail)


def released(phase: Phase, reason: str, *, suspect: bool = False) -> Outcome:
    """Handed back untouched, free of charge: a shutdown, or the death of a process that was not its doing."""
    return Outcome("released", phase.claims, "refund", suspect=suspect, detail=reason)


def suspected(phase: Phase, reason: str) -> Outcome:
    """Handed back after it was inside native code when its process died: charged, and to run alone from now on."""
    return Outcome("suspected", phase.claims, "keep", suspect=True, detail=reason)
