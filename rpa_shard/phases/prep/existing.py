"""What earlier attempts left of a paper: finished text and record, or a complete PDF and where it came from.

Guarantee: what a record says of a PDF is believed only if it is about that very PDF. A finished paper that was
extracted before it became outdated counts as a PDF only. Limit: reads; the runner decides what is done about it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rpa_shard.fetch.unkept import UnkeptPdf
from rpa_shard.model.arxiv_id import PaperId
from rpa_shard.phases.files import PaperFiles, sync_names
from rpa_shard.phases.prep.artifacts import read_finished, read_record
from rpa_shard.phases.prep.result import row_result
from rpa_shard.phases.runner import Result
from rpa_shard.system.clock import from_utc
from rpa_shard.system.content import Content
from rpa_shard.system.files import Fingerprint, fingerprint_of_file


@dataclass(frozen=True, slots=True)
class Finished:
    """An earlier attempt has left complete text and record."""

    result: Result


@dataclass(frozen=True, slots=True)
class Fetched:
    """A complete PDF: in its file, or `unkept`.

    `source` is where it came from and `fetched_at` when, as far as is known; `was_there` if no attempt fetched it now.
    """

    pdf: Fingerprint
    source: str | None
    fetched_at: float
    download_seconds: float = 0.0
    unkept: UnkeptPdf | None = None
    was_there: bool = False

    def content(self, files: PaperFiles) -> Content:
        """What is to be parsed."""
        return files.pdf if self.unkept is None else self.unkept.content


def existing(paper: PaperId, files: PaperFiles, outdated_before: float | None) -> Finished | Fetched | None:
    """What an earlier attempt left: a finished paper, or a PDF (it has its final name only if it is complete)."""
    found = read_finished(files, paper.canonical)
    if found is not None and not is_outdated(found[0], outdated_before):
        sync_names(files.record.parent)  # the process that wrote them may have died before it synced
        record, content = found
        return Finished(row_result(record, content, pdf_kept=files.pdf.exists()))
    try:
        return _kept_pdf(files)
    except FileNotFoundError:
        return None


def is_outdated(record: Mapping[str, Any], before: float | None) -> bool:
    """Whether a finished paper was extracted before a moment; one of which that is not known was."""
    return before is not None and (from_utc(record.get("extracted_at")) or 0.0) < before


def _kept_pdf(files: PaperFiles) -> Fetched:
    """The PDF on disk, with what the record of an earlier extraction knows about it. Raises FileNotFoundError."""
    pdf = fingerprint_of_file(files.pdf)
    record = read_record(files)
    if record.get("pdf_sha256") != pdf.sha256:
        record = {}
    source, fetched_at = record.get("source"), from_utc(record.get("fetched_at"))
    return Fetched(
        pdf,
        source if isinstance(source, str) else None,
        fetched_at if fetched_at is not None else files.pdf.stat().st_mtime,
        was_there=True,
    )
