"""One paper's way through the prep phase: download, extract, record.

Guarantee: what is there already and whole is not done again: a finished paper is only recorded, a whole PDF is only
parsed. Text and record are on disk before `finish` returns, so before the store says `prepped`. Limit: it does not
touch the store; the worker settles what comes out of here.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rpa_shard.extract.pool import ExtractionPool
from rpa_shard.extract.result import Extraction
from rpa_shard.fetch.download import Downloader, run_to_its_end
from rpa_shard.fetch.sources import urls_of
from rpa_shard.model.arxiv_id import PaperId, parse
from rpa_shard.model.failure import Failure, PaperError
from rpa_shard.model.paper import Claim
from rpa_shard.phases.prep.artifacts import (
    Fingerprint,
    PaperFiles,
    files_of,
    fingerprint_of,
    fingerprint_of_file,
    read_finished,
    sync_names,
    write_artifacts,
)
from rpa_shard.phases.prep.record import make_record
from rpa_shard.reading.stamp import Stamp, names_another
from rpa_shard.store.sqlite.catalogue import CatalogueReader, Whereabouts
from rpa_shard.system.failpoints import reach

log = logging.getLogger(__name__)

# After these the next source is tried.
_NOT_HERE = (Failure.BLOCKED, Failure.LEGAL, Failure.WITHDRAWN, Failure.GONE, Failure.NOT_FOUND)


@dataclass(frozen=True, slots=True)
class Fetched:
    """What the download step hands to the next: a whole PDF, or an earlier attempt's finished work."""

    paper: PaperId
    files: PaperFiles
    pdf: Fingerprint | None = None
    source: str | None = None
    download_seconds: float = 0.0
    finished: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Prep:
    """The prep phase of one shard."""

    papers: Path
    sources: Sequence[str]
    downloader: Downloader
    pool: ExtractionPool
    catalogue: CatalogueReader
    keep_pdf: bool

    async def download_pdf(self, claim: Claim) -> Fetched:
        """Gets the paper's PDF, unless its text or a whole PDF is there. May be cancelled. Raises PaperError."""
        paper = parse(claim.paper_id)
        files = files_of(self.papers, paper)
        found = await run_to_its_end(self.downloader.disk, self._look, paper, files)
        if isinstance(found, Fetched):
            return found
        begun = time.monotonic()
        url, pdf = await self._from_first_source(paper, files, found)
        seconds = time.monotonic() - begun
        log.info("download_pdf done arxiv_id=%s ms=%.0f bytes=%d", claim.paper_id, seconds * 1000, pdf.size_bytes)
        return Fetched(paper, files, pdf, url, seconds)

    async def extract_text(self, claim: Claim, fetched: Fetched) -> Mapping[str, Any]:
        """Parses the PDF and writes text and record; returns the row's result. Raises PaperError."""
        if fetched.finished is not None:
            return fetched.finished
        return await self.pool.run(lambda: self._extract_and_write(claim, fetched))

    def _look(self, paper: PaperId, files: PaperFiles) -> Fetched | Whereabouts:
        """What there is of a paper already, else what is known of where it is."""
        return _existing(paper, files) or self.catalogue.whereabouts(paper.canonical)

    async def _from_first_source(
        self, paper: PaperId, files: PaperFiles, known: Whereabouts
    ) -> tuple[str, Fingerprint]:
        refusals: list[PaperError] = []
        archived = [known.tar_url] if known.tar_url else []
        for url in archived + urls_of(paper, self.sources, known.version):
            try:
                return url, await self.downloader.download(url, files.pdf)
            except PaperError as error:
                if error.failure not in _NOT_HERE:
                    raise
                refusals.append(error)
        # What says most: a source that refuses us may have the paper, one that knows that it was withdrawn knows more.
        raise min(refusals, key=lambda refusal: _NOT_HERE.index(refusal.failure))

    def _extract_and_write(self, claim: Claim, fetched: Fetched) -> Mapping[str, Any]:
        begun = time.monotonic()
        extraction = self._extract(claim, fetched)
        seconds = time.monotonic() - begun
        log.info(
            "extract_text done arxiv_id=%s ms=%.0f chars=%d refs=%d",
            claim.paper_id,
            seconds * 1000,
            extraction.characters,
            len(extraction.references),
        )
        text = extraction.text.encode()
        assert fetched.pdf is not None
        record = make_record(
            fetched.paper.canonical,
            extraction,
            pdf=fetched.pdf,
            text=fingerprint_of(text),
            source=fetched.source,
            download_seconds=fetched.download_seconds,
            extract_seconds=seconds,
        )
        content = write_artifacts(fetched.files, self.downloader.temporaries, text, record)
        reach("after_artifacts")
        if not self.keep_pdf:
            fetched.files.pdf.unlink(missing_ok=True)
        return row_result(record, content, pdf_kept=self.keep_pdf)

    def _extract(self, claim: Claim, fetched: Fetched) -> Extraction:
        pdf = fetched.files.pdf
        try:
            extraction = self.pool.extract(claim.paper_id, pdf, suspect=claim.suspect)
            check_stamp(fetched.paper, extraction.stamp)
        except PaperError as error:
            if error.failure in (Failure.BAD_PDF, Failure.WRONG_PAPER):
                # Kept for whoever wants to look, but out of the way: a retry fetches the paper anew.
                pdf.replace(pdf.with_suffix(".bad.pdf"))
            raise
        return extraction


def check_stamp(paper: PaperId, stamp: Stamp | None) -> None:
    """Raises PaperError(WRONG_PAPER) where the PDF says itself that it is not what was asked for."""
    if names_another(stamp, paper):
        assert stamp is not None
        raise PaperError(
            Failure.WRONG_PAPER, f"id_mismatch: the stamp says {stamp.id}v{stamp.version}, asked for {paper.canonical}"
        )


def _existing(paper: PaperId, files: PaperFiles) -> Fetched | None:
    """What an earlier attempt left: a finished paper, or a PDF (it is in its place only if it is whole)."""
    found = read_finished(files, paper.canonical)
    if found is not None:
        sync_names(files.record.parent)  # whoever wrote them may have died before it did
        record, content = found
        return Fetched(paper, files, finished=row_result(record, content, pdf_kept=files.pdf.exists()))
    try:
        return Fetched(paper, files, fingerprint_of_file(files.pdf), None)
    except FileNotFoundError:
        return None


def row_result(record: Mapping[str, Any], record_content: bytes, *, pdf_kept: bool) -> dict[str, Any]:
    """The part of a record that the row keeps: enough for `verify` and for counting, without the references."""
    recorded = fingerprint_of(record_content)
    return {
        "pages": record["pages"],
        "characters": record["characters"],
        "references": len(record["references"]),
        "flags": record["flags"],
        "text_sha256": record["text_sha256"],
        "text_bytes": record["text_bytes"],
        "record_sha256": recorded.sha256,
        "record_bytes": recorded.size_bytes,
        "pdf_sha256": record["pdf_sha256"],
        "pdf_bytes": record["pdf_bytes"],
        "pdf_kept": pdf_kept,
    }
