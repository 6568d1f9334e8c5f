"""A paper as a worker holds it.

Guarantee: a claim names the paper, the phase and the lease, and never changes. Limit: what has been done with the paper
is in its row (`rpa_shard.store`).
"""

from __future__ import annotations

from dataclasses import dataclass

from rpa_shard.model.phase import Phase


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on one paper in one phase, with the fencing token of every later write of this attempt.

    `attempt` counts from 1 and is charged when the claim is made. A `suspect` was inside native code when its process
    died, and must run alone in a child process that may be killed. What the phase made before `outdated_before` (Unix
    seconds) is outdated, and is made again.
    """

    paper_id: str
    phase: Phase
    lease_id: str
    attempt: int
    suspect: bool = False
    outdated_before: float | None = None
