"""What is looked at once a trial has ended: every row, every file, every request, on one machine or many.

Guarantee: adds what it finds to the report's violations. Limit: no run may be working any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from rpa_shard.chaos import invariants
from rpa_shard.chaos.invariants import Violation
from rpa_shard.chaos.plan import Plan
from rpa_shard.chaos.report import Report
from rpa_shard.model.failure import Failure
from rpa_shard.model.phase import Status
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import open_ledger
from rpa_shard.store.rows import PaperRow
from rpa_shard.testing.arrivals import read_arrivals
from rpa_shard.testing.faults import ALWAYS, FaultPlan

# What a trial knows of the results so far: their text, by paper and phase.
Known = Mapping[tuple[str, str], str]


def check_rows(
    report: Report, folder: DataFolder, expected: Mapping[str, Failure | None], known: Known, faults: FaultPlan
) -> dict[str, float]:
    """I1 to I5 and I8; returns when each paper was fetched (Unix seconds)."""
    with open_ledger(folder) as ledger:
        report.violations += invariants.lost_papers(ledger, expected)
        report.violations += invariants.leases(ledger)
        report.violations += invariants.artifacts(folder, ledger)
        report.violations += invariants.changed_results(known, invariants.known_results(ledger))
        report.violations += invariants.accounts(ledger)
        report.violations += invariants.blamed(ledger)
        rows = {row.paper_id: row for row in ledger.papers()}
        times = {each: invariants.fetched_at(ledger.history(each)) for each in rows}
    report.failed = sum(row.status is Status.FAILED for row in rows.values())
    report.finished = len(rows) - report.failed
    report.violations += [
        each for row in rows.values() for each in _wrong_end(report.plan, expected[row.paper_id], faults, row)
    ]
    return {each: at for each, at in times.items() if at is not None}


def check_leftovers(report: Report, folders: Iterable[DataFolder]) -> None:
    """I6."""
    for folder in folders:
        report.violations += invariants.leftovers(folder)


def check_arrivals(report: Report, log: Path, finished_at: Mapping[str, float]) -> None:
    """I7, and of I4 that nothing is fetched again."""
    arrivals = read_arrivals(log)
    report.violations += invariants.budget(arrivals, report.policy)
    again = invariants.repeated(arrivals, finished_at)
    report.violations += [Violation("I4", f"{each} was fetched again after it was finished") for each in again]
    report.repeated, report.arrivals = len(again), len(arrivals)


def _wrong_end(plan: Plan, expected: Failure | None, faults: FaultPlan, row: PaperRow) -> Iterator[Violation]:
    """I1: a paper that did not end as it must."""
    is_archived = plan.from_archive and expected is not Failure.NOT_FOUND
    fault = None if is_archived else faults.fault_of(row.paper_id)
    if fault is not None and fault.times == ALWAYS and fault.kind != "404":
        return  # a fault that the user chose: any end is possible
    wanted = Failure.NOT_FOUND if fault is not None and fault.kind == "404" else expected
    if (row.status, row.failure) != (Status.FAILED if wanted else plan.phases[-1].to_status, wanted):
        what = f"{row.paper_id} ended as {row.status} ({row.failure or 'no failure'}), not {wanted or 'finished'}"
        yield Violation("I1", what)
