"""A finished paper's files, made without a run."""

from __future__ import annotations

from typing import Any

from rpa_shard.extract.result import Extraction
from rpa_shard.phases.files import PaperFiles
from rpa_shard.phases.prep.artifacts import write_artifacts
from rpa_shard.phases.prep.record import make_record
from rpa_shard.phases.prep.result import row_result
from rpa_shard.system.files import fingerprint_of

PDF = b"%PDF-"
SOURCE, FETCHED_AT, EXTRACTED_AT = "http://mirror/pdf", 1_764_000_000.0, 1_764_000_001.0


def write_finished(files: PaperFiles, paper_id: str, extraction: Extraction) -> dict[str, Any]:
    """Writes PDF, text and record like a run, except for the content of the PDF; returns the row's result."""
    files.pdf.parent.mkdir(parents=True, exist_ok=True)
    files.pdf.write_bytes(PDF)
    text = extraction.text.encode()
    record = make_record(
        paper_id,
        extraction,
        pdf=fingerprint_of(PDF),
        text=fingerprint_of(text),
        source=SOURCE,
        download_seconds=0.25,
        extract_seconds=0.5,
        fetched_at=FETCHED_AT,
        extracted_at=EXTRACTED_AT,
    )
    return row_result(record, write_artifacts(files, "test", text, record), pdf_kept=True)
