"""The figures of a report, read from the rows, the history and the run's status.

Guarantee: reads only; what happened is grouped by the store, so memory does not grow with the papers. Limit: what only
a run knows (stages, sources, shards, waits) is of the last run, also in a report on the whole history.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rpa_shard.config.settings import Settings
from rpa_shard.ipc.run_status import HostStatus, RunStatus
from rpa_shard.model.failure import Failure
from rpa_shard.model.phase import PHASES, Status
from rpa_shard.observe.snapshot import Snapshot, hosts_at_rest, snapshot
from rpa_shard.phases.finished import ResultCounts, count_results
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.protocol import Ledger
from rpa_shard.store.rows import Event

MAX_PARTS = 200
# Parts of the time are long enough to tell a pace, and not much shorter than what a paper takes.
LEAST_PART_SECONDS, LEAST_PARTS, PAPERS_A_PART = 0.5, 20, 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a report shows. Times are Unix seconds; what happened over time is counted in `parts` of equal length."""

    made_at: float
    whole: bool
    begins: float
    ends: float
    parts: int
    state: Snapshot
    hosts: Mapping[str, HostStatus]
    happened: Mapping[Event, int]
    results: ResultCounts

    @property
    def run(self) -> RunStatus | None:
        """The last run, if there was one."""
        return self.state.run

    @property
    def seconds(self) -> float:
        """How long the time is that the report is about."""
        return self.ends - self.begins

    def completed(self) -> dict[str, Sequence[int]]:
        """Completed claims in each part of the time, by phase."""
        return self._over_time({(phase.to_status.value, phase.name): phase.name for phase in PHASES})

    def completed_by_attempt(self) -> dict[str, dict[int, int]]:
        """Completed claims by the number of the attempt, by phase."""
        found: dict[str, Counter[int]] = {}
        phase_of = {phase.to_status.value: phase.name for phase in PHASES}
        for each, count in self.happened.items():
            if each.event in phase_of and each.phase == phase_of[each.event]:
                found.setdefault(each.phase, Counter())[each.attempt] += count
        return {phase: dict(sorted(found[phase].items())) for phase in (each.name for each in PHASES) if phase in found}

    def failed(self) -> dict[str, Sequence[int]]:
        """Failed attempts in each part of the time, by reason; the most frequent first."""
        found = self._over_time({(each.value, None): each.value for each in Failure}, by_failure=True)
        return dict(sorted(found.items(), key=lambda item: (-sum(item[1]), item[0])))

    def failed_by_reason(self) -> dict[str, tuple[int, int]]:
        """Papers that failed for good, and attempts that were followed by another one, by reason."""
        final, others = Counter[str](), Counter[str]()
        for each, count in self.happened.items():
            if each.failure is not None:
                (final if each.event == Status.FAILED else others)[each.failure] += count
        reasons = sorted({*final, *others}, key=lambda reason: (-final[reason] - others[reason], reason))
        return {reason: (final[reason], others[reason]) for reason in reasons}

    def _over_time(
        self, names: Mapping[tuple[str, str | None], str], *, by_failure: bool = False
    ) -> dict[str, Sequence[int]]:
        found: dict[str, list[int]] = {}
        for each, count in self.happened.items():
            key = (each.failure or "", None) if by_failure else (each.event, each.phase)
            if key in names:
                found.setdefault(names[key], [0] * self.parts)[each.part] += count
        return {name: found[name] for name in names.values() if name in found}


def gather(folder: DataFolder, ledger: Ledger, settings: Settings, now: float, *, whole: bool) -> Figures:
    """Reads the figures of the last run, or of the `whole` history. Raises StoreError."""
    state = snapshot(folder, ledger, settings)
    run = state.run
    whole = whole or run is None
    if run is not None and not whole:
        begins, ends = run.started_at, now if state.on else run.written_at
    else:
        begins, ends = ledger.times_of_events() or (now, now)
    # The clock may have been set in between.
    ends = max(begins, ends)
    parts = parts_for(ends - begins, state.account.done + state.account.failed)
    return Figures(
        made_at=now,
        whole=whole,
        begins=begins,
        ends=ends,
        parts=parts,
        state=state,
        hosts=run.hosts if run is not None and state.on else hosts_at_rest(folder),
        happened=ledger.count_events(begins, ends, parts),
        results=count_results(ledger, 0.0 if whole else begins),
    )


def parts_for(seconds: float, papers: int) -> int:
    """Into how many parts the time is cut: fewer for few papers, whose pace would look ragged."""
    fine_enough = max(LEAST_PARTS, papers // PAPERS_A_PART)
    return max(1, min(MAX_PARTS, fine_enough, int(seconds / LEAST_PART_SECONDS)))
