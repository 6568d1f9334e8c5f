"""How many papers a run with a limit, or a shard of it, may still take.

Guarantee: pure; a paper counts once, however many phases of the run it goes through and however often it is handed
back. It counts as ended when it has been through the last phase, has failed, or was put back to wait for another
attempt. What an allowance holds and what has ended is always as many papers as there were at first. Limit: it counts;
which papers are taken is for the claims to decide.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from rpa_shard.ipc.shard_report import Ending
from rpa_shard.model.phase import Phase

# How a claim ends after which the phase does not take the paper again. What was released, or lost, is taken again.
FINAL = (Ending.COMPLETED, Ending.FAILED, Ending.POSTPONED)


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many papers may be taken from the queue of each phase, by its name."""

    papers: Mapping[str, int]

    @property
    def total(self) -> int:
        """All papers of it."""
        return sum(self.papers.values())

    def after(self, ended: Mapping[str, Mapping[str, int]], phases: Collection[Phase]) -> Allowance:
        """What is left once claims have `ended`: by phase, then by how, as in `Work`. `phases` are those of the run."""
        left = {phase.name: self.papers.get(phase.name, 0) for phase in phases}
        for phase in phases:
            endings = ended.get(phase.name, {})
            left[phase.name] -= sum(endings.get(each, 0) for each in FINAL)
            for following in phases:
                if following.from_status is phase.to_status:
                    left[following.name] += endings.get(Ending.COMPLETED, 0)
        return Allowance({name: max(0, papers) for name, papers in left.items()})
