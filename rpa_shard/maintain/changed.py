"""Analyses and reports that would be made differently today: found, and sent back to the phase that makes them again.

Guarantee: a paper goes back to the first phase whose prompts or models have changed, and no further; what earlier
phases made stays, and so do the answers that were given. A command that was killed can be repeated. Memory stays flat.
Limit: a paper without a result of a phase, such as one that failed there, is none of its papers: `retry` is for those.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rpa_shard.model.phase import ANALYZE, WRAP, Phase
from rpa_shard.phases.finished import results_of
from rpa_shard.phases.writing.prompts import PromptSet
from rpa_shard.store.protocol import Ledger
from rpa_shard.store.rows import PaperRow

_WHY = "its prompts or models have changed"


@dataclass(slots=True)
class SentBack:
    """How many papers went back, by the phase to which; `held` and changed ones were left."""

    papers: Counter[Phase] = field(default_factory=Counter)
    left: int = 0


@dataclass(frozen=True, slots=True)
class Today:
    """What analyses and reports are made with today: the hash of each phase's prompts, and the names of the models."""

    prompts: Mapping[Phase, str]
    models: frozenset[str]

    @classmethod
    def of(cls, prompts: PromptSet, models: Collection[str]) -> Today:
        return cls({phase: prompts.sha256_of(phase) for phase in (ANALYZE, WRAP)}, frozenset(models))

    def first_changed(self, row: PaperRow) -> Phase | None:
        """The first phase of a paper whose result would be made differently now."""
        for phase, result in results_of(row).items():
            if phase in self.prompts and result is not None and self._has_changed(phase, result):
                return phase
        return None

    def _has_changed(self, phase: Phase, result: Mapping[str, Any]) -> bool:
        return result.get("prompts_sha256") != self.prompts[phase] or not self.models.issuperset(result["models"])


def send_back_changed(
    ledger: Ledger, rows: Iterable[PaperRow], today: Today, done: SentBack, *, dry_run: bool = False
) -> None:
    """Sends papers back and counts them in `done`; only counts them with `dry_run`. Raises StoreError."""
    for row in rows:
        phase = today.first_changed(row)
        if phase is None:
            continue
        if row.lease_id is not None or not (dry_run or ledger.requeue(row, phase, _WHY)):
            done.left += 1
        else:
            done.papers[phase] += 1
