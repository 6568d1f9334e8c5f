"""What completed phases leave of a paper: results, files, the record.

Guarantee: callers that look at papers from outside a run need to know no phase by name. Limit: says what must be there;
the caller checks whether it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rpa_shard.model.arxiv_id import PaperId, from_canonical
from rpa_shard.model.phase import PREP, Phase, completed_phases, is_completed, open_statuses
from rpa_shard.phases.files import PaperFiles, files_of
from rpa_shard.phases.prep.artifacts import read_finished
from rpa_shard.phases.prep.kept import give_back_refused, has_pdf, remove_files
from rpa_shard.phases.prep.record import json_schema, make_record
from rpa_shard.phases.prep.result import row_result
from rpa_shard.phases.registry import BUILT_IN_PHASES, PhaseRegistry
from rpa_shard.phases.runner import ExpectedFile
from rpa_shard.store.protocol import Ledger
from rpa_shard.store.rows import PaperRow

# The phase that fetches PDFs and writes the records.
FETCHING_PHASE = PREP
# The mean size of a PDF is taken from this many papers of each shard, and needs at least this many in all.
SAMPLED_PDFS, MIN_PDFS = 1000, 50
# By which figures of their results papers are counted.
COUNTED_FIGURES = ("pdf_bytes", "text_bytes", "pages", "references")


def expected_files(
    papers: str,
    paper: PaperId,
    phase: Phase,
    result: Mapping[str, Any],
    registry: PhaseRegistry = BUILT_IN_PHASES,
) -> Iterator[ExpectedFile]:
    """The files that a phase's result names; none for a phase that is unknown here."""
    for definition in registry.definitions:
        if definition.phase is phase:
            yield from definition.expected_files(papers, paper, result)


def record_result(row: PaperRow) -> Mapping[str, Any] | None:
    """What the row holds about the paper's record; None if there is none or the paper has been sent back."""
    if not is_completed(FETCHING_PHASE, row.status, row.failed_phase):
        return None
    return row.results.get(FETCHING_PHASE.name)


def results_of(row: PaperRow) -> Mapping[Phase, Mapping[str, Any] | None]:
    """The result of every phase that the paper has been through; None where it is missing."""
    return {phase: row.results.get(phase.name) for phase in completed_phases(row.status, row.failed_phase)}


def ids_to_fetch(ledger: Ledger, papers: Path) -> Iterator[str]:
    """The papers whose PDFs are still to be fetched. Of those that are only to be made again, many PDFs are there."""
    statuses = open_statuses([FETCHING_PHASE])
    yield from ledger.ids_with(statuses, outdated=False)
    for paper_id in ledger.ids_with(statuses, outdated=True):
        if not has_pdf(papers, from_canonical(paper_id)):
            yield paper_id


def mean_pdf_bytes(ledger: Ledger) -> float | None:
    """The mean size of a sample of the fetched PDFs; None if there are too few."""
    results: Collection[Mapping[str, Any]] = ledger.sample_results(FETCHING_PHASE, SAMPLED_PDFS)
    return sum(each["pdf_bytes"] for each in results) / len(results) if len(results) >= MIN_PDFS else None


@dataclass(frozen=True, slots=True)
class ResultCounts:
    """Papers by their figures (pages, sizes; with two digits) and by their flags."""

    papers: int
    figures: Mapping[str, Mapping[float, int]]
    flags: Mapping[str, int]


def count_results(ledger: Ledger, since: float = 0.0) -> ResultCounts:
    """Counts the papers that have changed since a moment by what is known of their text and PDF."""
    papers = 0
    flags = Counter[str]()
    figures: dict[str, Counter[float]] = {name: Counter() for name in COUNTED_FIGURES}
    for result in ledger.results(FETCHING_PHASE, since):
        papers += 1
        flags.update(result.get("flags", ()))
        for name, counts in figures.items():
            value = result.get(name)
            if value is not None:
                # Two digits: however many papers there are, few values differ.
                counts[value if value < 100 else float(f"{value:.1e}")] += 1
    return ResultCounts(papers, figures, flags)


__all__ = [
    "COUNTED_FIGURES",
    "FETCHING_PHASE",
    "ExpectedFile",
    "PaperFiles",
    "ResultCounts",
    "count_results",
    "expected_files",
    "files_of",
    "give_back_refused",
    "has_pdf",
    "ids_to_fetch",
    "json_schema",
    "make_record",
    "mean_pdf_bytes",
    "read_finished",
    "record_result",
    "remove_files",
    "results_of",
    "row_result",
]
