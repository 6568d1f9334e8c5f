"""How a claim can end: one value that describes the row afterwards.

Guarantee: pure; every end of a claim is made by one of the functions here, so the rules for charging and for suspects
are in one place. Limit: the store decides, when it writes, whether the claim still holds.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from rpa_shard.ipc.shard_report import Ending
from rpa_shard.model.failure import Failure
from rpa_shard.model.phase import Phase, Status, phase_named

# A source may ask for a day; no other wait is this long.
MAX_WAIT_SECONDS = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a row becomes when its claim ends.

    `phase` is the phase of the claim. `attempts` says what happens to the charge: "keep" it, "refund" it, or "reset"
    the count for the next phase. `result` is what the phase yielded, if it was completed.
    """

    event: str
    phase: Phase
    status: Status
    attempts: Literal["keep", "refund", "reset"]
    delay_seconds: float = 0.0
    suspect: bool = False
    failure: Failure | None = None
    detail: str | None = None
    result: Mapping[str, Any] | None = None


def completed(phase: Phase, result: Mapping[str, Any]) -> Outcome:
    """The phase's work is done and its artifacts are on disk."""
    return Outcome(phase.to_status.value, phase, phase.to_status, "reset", result=result)


def failed(phase: Phase, failure: Failure, detail: str, *, suspect: bool = False) -> Outcome:
    """The paper has failed for good in this phase; it keeps its `suspect` mark, so that a retry is as careful."""
    return Outcome("failed", phase, Status.FAILED, "keep", suspect=suspect, failure=failure, detail=detail)


def postponed(
    phase: Phase, failure: Failure, detail: str, delay_seconds: float, *, charged: bool, suspect: bool
) -> Outcome:
    """The attempt failed and another one follows after a delay; `charged` is False if it costs no attempt."""
    attempts: Literal["keep", "refund"] = "keep" if charged else "refund"
    return Outcome("postponed", phase, phase.from_status, attempts, delay_seconds, suspect, failure, detail)


def released(phase: Phase, reason: str, *, suspect: bool = False) -> Outcome:
    """The process that held the paper handed it back unchanged, free of charge."""
    return Outcome("released", phase, phase.from_status, "refund", suspect=suspect, detail=reason)


def reclaimed(phase: Phase, reason: str, *, suspect: bool = False) -> Outcome:
    """The paper was taken back from a process that died, free of charge."""
    return Outcome("reclaimed", phase, phase.from_status, "refund", suspect=suspect, detail=reason)


def suspected(phase: Phase, reason: str, *, charged: bool) -> Outcome:
    """The paper was inside native code when its process died: it is handed back and runs alone from now on.

    `charged` if the process died by itself or was killed because of this paper; a death from outside costs no attempt.
    """
    return Outcome(
        "suspected" if charged else "interrupted",
        phase,
        phase.from_status,
        "keep" if charged else "refund",
        suspect=True,
        detail=reason,
    )


def reclaimed_or_suspected(phase: Phase, charged: bool | None, *, suspect: bool) -> Outcome:
    """The end of a claim whose process died: `charged` is None unless the process died while parsing this paper."""
    if charged is not None:
        return suspected(phase, "its process died while parsing it", charged=charged)
    return reclaimed(phase, "its process died", suspect=suspect)


def count_endings(events: Iterable[tuple[str, str, int]]) -> Mapping[str, Mapping[str, int]]:
    """How many claims have ended, by phase, then by how, from (phase, event, claims) of the history."""
    claims: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for phase, event, number in events:
        ending = ending_of_event(event, phase)
        if ending is not None:
            claims[phase][ending] += number
    return claims


def ending_of_event(event: str, phase: str) -> Ending | None:
    """How a claim ended, from the event that its end left in the history; None if the paper was handed back."""
    if event == phase_named(phase).to_status:
        return Ending.COMPLETED
    return {"failed": Ending.FAILED, "postponed": Ending.POSTPONED}.get(event)
