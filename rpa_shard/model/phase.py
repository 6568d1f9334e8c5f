"""The phases that a paper goes through and the statuses between them, as data.

Guarantee: pure; which statuses are open, held or finished is defined here, and no other module lists statuses. Limit:
the order only; the work of a phase is done by its runner (`rpa_shard.phases`).

    pending -> prepping -> prepped -> analyzing -> analyzed -> wrapping -> done, and failed
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """The one state that a paper is in. Active statuses carry a lease, all others carry none."""

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
    """One stage of work: the status that it claims from, the one while a paper is held, the one that it leads to."""

    name: str
    from_status: Status
    active_status: Status
    to_status: Status


PREP = Phase("prep", Status.PENDING, Status.PREPPING, Status.PREPPED)
ANALYZE = Phase("analyze", Status.PREPPED, Status.ANALYZING, Status.ANALYZED)
WRAP = Phase("wrap", Status.ANALYZED, Status.WRAPPING, Status.DONE)
PHASES = (PREP, ANALYZE, WRAP)

INITIAL_STATUS = PREP.from_status
ACTIVE_STATUSES = tuple(phase.active_status for phase in PHASES)
CLAIMED_STATUSES = tuple(phase.from_status for phase in PHASES)


def phase_named(name: str) -> Phase:
    """The phase called `name`. Raises KeyError."""
    return _BY_NAME[name]


def phase_holding(status: Status | str) -> Phase:
    """The phase in which a paper of an active status is being worked on. Raises KeyError for any other status."""
    return _BY_ACTIVE_STATUS[Status(status)]


def phase_from(status: Status | str) -> Phase:
    """The phase that claims papers of a status. Raises KeyError for a status that none claims from."""
    return _BY_FROM_STATUS[Status(status)]


def in_order(names: Iterable[str]) -> tuple[Phase, ...]:
    """The phases with these names, earliest first, each once. Raises KeyError for an unknown name."""
    wanted = {phase_named(name) for name in names}
    return tuple(phase for phase in PHASES if phase in wanted)


def open_statuses(phases: Collection[Phase]) -> frozenset[Status]:
    """The statuses of papers on which a run over `phases` still has work to do."""
    return frozenset(status for phase in phases for status in (phase.from_status, phase.active_status))


def outstanding(by_status: Mapping[str, int], phases: Collection[Phase]) -> int:
    """How many papers a run over `phases` still has work to do on."""
    return sum(by_status.get(status, 0) for status in open_statuses(phases))


def is_completed(phase: Phase, status: Status | str, failed_phase: str | None) -> bool:
    """Whether a paper has been through `phase`; `failed_phase` is the phase in which a failed paper failed."""
    place = PHASES.index(phase)
    if status == Status.FAILED:
        return failed_phase is not None and PHASES.index(phase_named(failed_phase)) > place
    return _STEPS[Status(status)] > place


def completed_phases(status: Status | str, failed_phase: str | None) -> tuple[Phase, ...]:
    """The phases that a paper has been through, earliest first."""
    return tuple(phase for phase in PHASES if is_completed(phase, status, failed_phase))


_BY_NAME = {phase.name: phase for phase in PHASES}
_BY_FROM_STATUS = {phase.from_status: phase for phase in PHASES}
_BY_ACTIVE_STATUS = {phase.active_status: phase for phase in PHASES}
# How many phases are completed in each status.
_STEPS = {
    **{phase.from_status: number for number, phase in enumerate(PHASES)},
    **{phase.active_status: number for number, phase in enumerate(PHASES)},
    PHASES[-1].to_status: len(PHASES),
}
