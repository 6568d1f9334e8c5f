"""Extracting papers again from the PDFs that are there: after an upgrade, or for another engine.

Guarantee: what was made of a paper stays until the new text and record replace it; a command that was killed can be
repeated. Memory stays flat. Limit: whether a PDF is there is looked up when the paper is sent back; one that vanishes
until it is read is fetched again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rpa_shard.maintain.published_files import has_published_pdf
from rpa_shard.maintain.remove import pages_of
from rpa_shard.model.arxiv_id import from_canonical
from rpa_shard.model.phase import Status
from rpa_shard.phases.finished import FETCHING_PHASE, give_back_refused, has_pdf
from rpa_shard.store.changes import Changes, Target
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.protocol import Ledger
from rpa_shard.store.rows import PaperRow

PAGE_ROWS = 5000


@dataclass(slots=True)
class Redone:
    """What was sent back, and what was left. `without_pdf` papers would have to be fetched again, or are."""

    changes: Changes = Changes()
    without_pdf: int = 0


def redo(folder: DataFolder, ledger: Ledger, rows: Iterable[PaperRow], done: Redone, *, download: bool) -> None:
    """Sends papers back to be extracted again, and counts them in `done`. Raises StoreError, OSError.

    Papers whose PDF is not there are left, unless they may be downloaded.
    """
    for page in pages_of(rows, PAGE_ROWS):
        targets = []
        for row in page:
            is_open = row.lease_id is not None or row.status == FETCHING_PHASE.from_status
            if not is_open and not _has_pdf(folder, row):
                done.without_pdf += 1
                if not download:
                    continue
            targets.append(Target(row.paper_id, row.changed_at))
        refused = {row.paper_id for row in page if _was_refused(row)}

        def give_back(ids: Sequence[str], refused: set[str] = refused) -> None:
            give_back_refused(folder.papers, refused.intersection(ids))

        done.changes += ledger.redo(targets, give_back)


def _has_pdf(folder: DataFolder, row: PaperRow) -> bool:
    paper = from_canonical(row.paper_id)
    return has_pdf(folder.papers, paper, refused=_was_refused(row)) or has_published_pdf(folder, paper)


def _was_refused(row: PaperRow) -> bool:
    """Whether its PDF may have been set aside when the last attempt failed."""
    return row.status is Status.FAILED and row.failed_phase == FETCHING_PHASE.name
