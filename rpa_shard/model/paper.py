"""A paper as a worker holds it.

Guarantee: a claim names the paper, the phase and the lease, and never changes. Limit: says nothing about what has
been done to the paper; that stands in its row (`rpa_shard.store`).
"""

from __future__ import annotations

from dataclasses import dataclass

from rpa_shard.model.phase import Phase


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on one paper in one phase: the fencing token of every later write about this attempt.

    `attempt` counts from 1 and is charged when the claim is made. A `suspect` was inside native code when its
    process died, and must run alone in a child that may be killed.
    """

    paper_id: str
    phase: Phase
    lease_id: str
    attempt: int
    suspect: bool = False
