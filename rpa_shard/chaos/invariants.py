"""What must hold of a data folder, whatever happened to the processes that worked in it: the invariants I1 to I7.

Guarantee: read-only; each function looks at the folder as it is now, and an empty list means that the invariant holds.
Limit: for a folder in which nothing runs, but for `lost_papers` and `known_results`; `retry` and `verify --fix` begin a
paper's account anew, and are understood.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import psutil

from rpa_shard.config.host_policy import HostPolicy
from rpa_shard.maintain.verify import verify
from rpa_shard.model.failure import Failure
from rpa_shard.model.phase import Status
from rpa_shard.model.retry import POLICIES
from rpa_shard.store.folder import DataFolder
from rpa_shard.store.sqlite.ledger import HistoryLine, Ledger, PaperRow
from rpa_shard.testing.arrivals import Arrival

MEANING = {
    "I1": "every paper is in exactly one state, none has vanished",
    "I2": "no lease without its paper held, no paper held without its lease",
    "I3": "what is prepped is on disk, whole, and stays as it was",
    "I4": "a result is recorded once",
    "I5": "an attempt is charged once, and waiting costs none",
    "I6": "no process and no half-written file outlives its run",
    "I7": "the source's budget holds in every window",
}
_NEW_ACCOUNT = frozenset({"retried", "requeued"})


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that should not be."""

    invariant: str
    what: str


def lost_papers(ledger: Ledger, ids: Collection[str]) -> list[Violation]:
    """I1: every paper that was added stands in one row, and in one only."""
    rows = Counter(row.paper_id for row in ledger.papers())
    lost = [Violation("I1", f"{each} has vanished") for each in ids if not rows[each]]
    doubled = [Violation("I1", f"{each} stands in {rows[each]} rows") for each in ids if rows[each] > 1]
    return lost + doubled


def leases(ledger: Ledger) -> list[Violation]:
    """I2, once nothing runs and all is done: no lease at all."""
    found = ledger.leases()
    violations = []
    if found.incoherent:
        violations.append(Violation("I2", f"{found.incoherent} papers are held without a lease"))
    if found.held:
        violations.append(Violation("I2", f"{found.held} leases are held, and nobody is left to hold them"))
    return violations


def artifacts(ledger: Ledger) -> list[Violation]:
    """I3: every file that a row speaks of is there, with its size and hash."""
    return [Violation("I3", f"{each.id}: {each.what}: {each.kind}") for each in verify(ledger).differences]


def known_results(ledger: Ledger) -> dict[str, str]:
    """The hash of the record of every prepped paper."""
    return {
        row.paper_id: row.results["prep"]["record_sha256"] for row in ledger.papers() if row.status is Status.PREPPED
    }


def changed_results(before: dict[str, str], now: dict[str, str]) -> list[Violation]:
    """I3: what was prepped stays as it was."""
    return [Violation("I3", f"{each}: its result has changed") for each in before if now.get(each) != before[each]]


def accounts(ledger: Ledger) -> list[Violation]:
    """I4 and I5, from the history of every paper."""
    return [violation for row in ledger.papers() for violation in account_of(row, ledger.history(row.paper_id))]


def account_of(row: PaperRow, history: Sequence[HistoryLine]) -> Iterator[Violation]:
    """I4 and I5 for one paper: `history` is everything that happened to it, oldest first."""
    for line, after in pairwise(history):
        if line.event in ("prepped", "failed") and after.event not in _NEW_ACCOUNT:
            yield Violation("I4", f"{row.paper_id}: {line.event}, and then {after.event}")
    begun = max((number for number, line in enumerate(history, 1) if line.event in _NEW_ACCOUNT), default=0)
    charged = sum(map(_is_charged, history[begun:]))
    if row.status is Status.PREPPED:
        counted, expected = row.results["prep"]["attempts"], charged + 1
    else:
        counted, expected = row.attempts, charged + (row.status is Status.PREPPING)
    if counted != expected:
        events = ", ".join(line.event for line in history[begun:])
        yield Violation(
            "I5", f"{row.paper_id}: {row.status} after {counted} attempts, by its history {expected}: {events}"
        )


def _is_charged(line: HistoryLine) -> bool:
    if line.event in ("suspected", "failed"):
        return True
    return line.event == "postponed" and POLICIES[Failure(line.failure or Failure.BUG)].charged


def leftovers(folder: DataFolder) -> list[Violation]:
    """I6: nothing of a run is left, neither processes nor files."""
    found = [Violation("I6", f"process {each.pid} still runs") for each in processes_of(folder)]
    partial = [*(each for each in (folder.root / "tmp").rglob("*") if each.is_file()), *folder.root.rglob("*.part")]
    return found + [Violation("I6", f"{each.relative_to(folder.root)} was left") for each in partial]


def processes_of(folder: DataFolder) -> list[psutil.Process]:
    """Living processes that were started for this folder, whoever their parent is now; but for this one."""
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
        Violation("I7", f"{policy.requests + 1} requests within {later.at - earlier.at:.3f} s, where {policy} holds")
        for earlier, later in zip(arrivals, arrivals[policy.requests :], strict=False)
        if later.at - earlier.at + earlier.late_seconds < policy.per_seconds
    ]


def repeated(arrivals: Iterable[Arrival], prepped_at: Mapping[str, float]) -> list[str]:
    """Papers that were asked of a source once more after they were finished. Times are Unix seconds."""
    return [each.paper_id for each in arrivals if each.at - each.late_seconds > prepped_at.get(each.paper_id, each.at)]
