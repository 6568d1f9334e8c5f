"""What must hold of a data folder, whatever happened to the processes that worked in it: the invariants I1 to I8.

Guarantee: read-only; each function looks at the folder as it is now, and an empty list means that the invariant holds.
Limit: no run may be working in the folder, except for `lost_papers` and `known_results`; `retry` and `verify --fix`
restart a paper's count of attempts, which is taken into account.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import psutil

from rpa_shard.config.host_policy import HostPolicy
from rpa_shard.maintain.verify import verify
from rpa_shard.model.failure import Failure
from rpa_shard.model.phase import PHASES, Phase, Status, is_completed, phase_named
from rpa_shard.model.retry import POLICIES
from rpa_shard.phases.finished import FETCHING_PHASE, results_of
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.protocol import Ledger
from rpa_shard.store.rows import HistoryLine, PaperRow
from rpa_shard.system.files import PART_ENDING
from rpa_shard.testing.arrivals import Arrival

MEANING = {
    "I1": "every paper is in exactly one state, none has vanished",
    "I2": "no lease without its paper held, no paper held without its lease",
    "I3": "what a phase has yielded is on disk, complete, and stays as it was",
    "I4": "a result is recorded once",
    "I5": "an attempt is charged once, and waiting costs none",
    "I6": "no process and no half-written file outlives its run",
    "I7": "the source's budget holds in every window",
    "I8": "no paper is blamed for a death that it did not cause",
}
_NEW_ACCOUNT = frozenset({"retried", "requeued", "redo", "repaired"})


@dataclass(frozen=True, slots=True)
class Violation:
    """One violation of an invariant."""

    invariant: str
    what: str


def lost_papers(ledger: Ledger, ids: Collection[str]) -> list[Violation]:
    """I1: every paper that was added has exactly one row."""
    rows = Counter(row.paper_id for row in ledger.papers())
    lost = [Violation("I1", f"{each} has vanished") for each in ids if not rows[each]]
    doubled = [Violation("I1", f"{each} has {rows[each]} rows") for each in ids if rows[each] > 1]
    return lost + doubled


def leases(ledger: Ledger) -> list[Violation]:
    """I2, once no process runs and all papers are done: no lease at all."""
    found = ledger.leases()
    violations = []
    if found.incoherent:
        violations.append(Violation("I2", f"{found.incoherent} papers are held without a lease"))
    if found.held:
        violations.append(Violation("I2", f"{found.held} leases are held, but no process is left to hold them"))
    return violations


def artifacts(folder: DataFolder, ledger: Ledger) -> list[Violation]:
    """I3: every file that a row names exists, with its size and hash."""
    return [Violation("I3", f"{each.id}: {each.what}: {each.kind}") for each in verify(folder, ledger).differences]


def known_results(ledger: Ledger) -> dict[tuple[str, str], str]:
    """The result of every phase that a paper has been through, as text, by paper and phase."""
    return {
        (row.paper_id, phase.name): json.dumps(result, sort_keys=True)
        for row in ledger.papers()
        for phase, result in results_of(row).items()
    }


def changed_results(before: Mapping[tuple[str, str], str], now: Mapping[tuple[str, str], str]) -> list[Violation]:
    """I3: what a phase has yielded stays as it was."""
    return [
        Violation("I3", f"{paper_id}: its result of {phase} has changed")
        for (paper_id, phase), result in before.items()
        if now.get((paper_id, phase)) != result
    ]


def accounts(ledger: Ledger) -> list[Violation]:
    """I4 and I5, from the history of every paper."""
    return [violation for row in ledger.papers() for violation in account_of(row, ledger.history(row.paper_id))]


def account_of(row: PaperRow, history: Sequence[HistoryLine]) -> Iterator[Violation]:
    """I4 and I5 for one paper: `history` is everything that happened to it, oldest first."""
    yield from _recorded_again(row.paper_id, history)
    for phase in PHASES:
        lines = [line for line in history[_account_begins(history, phase) :] if line.phase == phase.name]
        charged = sum(map(_is_charged, lines))
        if is_completed(phase, row.status, row.failed_phase):
            result = row.results.get(phase.name)
            counted, expected = result["attempts"] if result else None, charged + 1
        elif row.status in (phase.from_status, phase.active_status) or row.failed_phase == phase.name:
            counted, expected = row.attempts, charged + (row.status is phase.active_status)
        else:
            continue
        if counted != expected:
            events = ", ".join(line.event for line in lines)
            said = f"{row.status} after {counted} attempts at {phase.name}, by its history {expected}: {events}"
            yield Violation("I5", f"{row.paper_id}: {said}")


def _recorded_again(paper_id: str, history: Sequence[HistoryLine]) -> Iterator[Violation]:
    """I4 for one paper: nothing happens in a phase that it has completed, or once it has failed."""
    closed, closed_by = 0, ""  # this many phases, counted from the first
    for line in history:
        place = PHASES.index(phase_named(line.phase)) if line.phase else 0
        if line.event in _NEW_ACCOUNT:
            closed = min(closed, place)
        elif place < closed:
            yield Violation("I4", f"{paper_id}: {closed_by}, and then {line.event}")
        elif line.event == Status.FAILED:
            closed, closed_by = len(PHASES), line.event
        elif line.event == PHASES[place].to_status:
            closed, closed_by = place + 1, line.event


def _account_begins(history: Sequence[HistoryLine], phase: Phase) -> int:
    """The line from which attempts at a phase count: after the paper was last retried or sent back to it or earlier."""
    begins = 0
    for number, line in enumerate(history, 1):
        if line.event == "retried" and line.phase == phase.name:
            begins = number
        elif line.event in _NEW_ACCOUNT - {"retried"}:
            sent_back_to = phase_named(line.phase) if line.phase else PHASES[0]
            if PHASES.index(sent_back_to) <= PHASES.index(phase):
                begins = number
    return begins


def _is_charged(line: HistoryLine) -> bool:
    if line.event in ("suspected", Status.FAILED):
        return True
    return line.event == "postponed" and POLICIES[Failure(line.failure or Failure.BUG)].charged


def blamed(ledger: Ledger) -> list[Violation]:
    """I8, for papers that break no engine: none was charged for a death, and none failed because of one."""
    return [
        Violation("I8", f"{row.paper_id}: {line.event} in attempt {line.attempt}: {line.failure or line.detail}")
        for row in ledger.papers()
        for line in ledger.history(row.paper_id)
        if line.event == "suspected" or line.failure in (Failure.POISON, Failure.EXTRACT_TIMEOUT)
    ]


def leftovers(folder: DataFolder) -> list[Violation]:
    """I6: nothing of a run is left, neither processes nor files."""
    found = [Violation("I6", f"process {each.pid} is still running") for each in processes_of(folder)]
    partial = {*folder.half_written_files(), *folder.root.rglob(f"*{PART_ENDING}")}
    return found + [Violation("I6", f"{each.relative_to(folder.root)} was left behind") for each in sorted(partial)]


def processes_of(folder: DataFolder) -> list[psutil.Process]:
    """Living processes that were started for this folder, whatever their parent is now, except this process."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("RPA_V2_DATA_DIR") == str(folder.root) and process.pid != os.getpid():
                found.append(process)
        except psutil.Error:
            continue
    return found


def budget(arrivals: Sequence[Arrival], policy: HostPolicy) -> list[Violation]:
    """I7: in no window of the policy did more requests arrive than it allows. `arrivals` are the oldest first."""
    return [
        Violation("I7", f"{policy.requests + 1} requests within {later.at - earlier.at:.3f} s, more than {policy}")
        for earlier, later in zip(arrivals, arrivals[policy.requests :], strict=False)
        if later.at - earlier.at + earlier.late_seconds < policy.per_seconds
    ]


def fetched_at(history: Iterable[HistoryLine]) -> float | None:
    """When the phase that fetches PDFs was last completed for a paper (Unix seconds); None if it never was."""
    times = [line.at for line in history if line.event == FETCHING_PHASE.to_status]
    return times[-1] if times else None


def repeated(arrivals: Iterable[Arrival], finished_at: Mapping[str, float]) -> list[str]:
    """Papers that were requested from a source again after they were finished. Times are Unix seconds."""
    return [each.paper_id for each in arrivals if each.at - each.late_seconds > finished_at.get(each.paper_id, each.at)]
