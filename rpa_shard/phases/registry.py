"""The phases that this program can run.

Guarantee: the only place that lists them; a new phase is one more entry. Limit: `RPA_V2_PHASES` chooses among these.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rpa_shard.model.errors import StoreError
from rpa_shard.model.phase import PHASES, Phase
from rpa_shard.phases.analyze.definition import ANALYZE_DEFINITION
from rpa_shard.phases.prep.definition import PREP_DEFINITION
from rpa_shard.phases.runner import PhaseDefinition
from rpa_shard.phases.wrap.definition import WRAP_DEFINITION


@dataclass(frozen=True, slots=True)
class PhaseRegistry:
    """Definitions of phases, earliest first."""

    definitions: tuple[PhaseDefinition, ...]

    def chosen(self, phases: Iterable[Phase]) -> tuple[PhaseDefinition, ...]:
        """The definitions of `phases`, earliest first. Raises StoreError for an unknown one."""
        by_phase = {each.phase: each for each in self.definitions}
        wanted = set(phases)
        for phase in wanted - by_phase.keys():
            known = ", ".join(each.phase.name for each in self.definitions)
            raise StoreError(f"RPA_V2_PHASES: this version cannot run the phase {phase.name}, only: {known}")
        return tuple(by_phase[phase] for phase in PHASES if phase in wanted)


BUILT_IN_PHASES = PhaseRegistry((PREP_DEFINITION, ANALYZE_DEFINITION, WRAP_DEFINITION))
