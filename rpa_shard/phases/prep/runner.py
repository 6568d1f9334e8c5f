"""One paper's way through the prep phase: download, extract, record.

Guarantee: what exists and is complete is not done again: a finished paper is only recorded, a complete PDF is only
parsed. Text and record are on disk before `run` returns, so before the store says `prepped`. Limit: it does not touch
the store; the worker ends the claim with its result.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rpa_shard.extract.pool import ExtractionPool, Unfinished
from rpa_shard.extract.result import Extraction
from rpa_shard.extract.slow_lane import SlowLane
from rpa_shard.fetch.download import Downloader, run_to_its_end
from rpa_shard.fetch.sources import urls_of
from rpa_shard.ipc.run_status import Gauge
from rpa_shard.model.arxiv_id import PaperId, from_canonical
from rpa_shard.model.failure import Failure, PaperError
from rpa_shard.model.paper import Claim
from rpa_shard.phases.prep.artifacts import PaperFiles, files_of, read_finished, sync_names, write_artifacts
from rpa_shard.phases.prep.record import make_record
from rpa_shard.phases.prep.result import row_result
from rpa_shard.phases.runner import Attempt, Result
from rpa_shard.reading.stamp import Stamp, names_another
from rpa_shard.store.catalogue import CatalogueReader, Whereabouts
from rpa_shard.system.failpoints import reach
from rpa_shard.system.files import Fingerprint, fingerprint_of, fingerprint_of_file

log = logging.getLogger(__name__)

DOWNLOAD, EXTRACT, SLOW = "download", "extract", "slow"
PARSING = "parsing"
DOWNLOADED_BYTES = "downloaded_bytes"
# After these the next source is tried (`_LOCAL_ONLY`: if it was a local file). If no source has the paper, it fails
# for the first of these, which is the most informative: a source that refuses us, or the request, may have the paper; a
# local file that is no PDF can be mended; a source that reports a withdrawal knows the paper.
_NOT_HERE = (
    Failure.BLOCKED,
    Failure.UNEXPECTED,
    Failure.TRUNCATED,
    Failure.NOT_A_PDF,
    Failure.LEGAL,
    Failure.WITHDRAWN,
    Failure.GONE,
    Failure.NOT_FOUND,
)
_LOCAL_ONLY = (Failure.TRUNCATED, Failure.NOT_A_PDF)


@dataclass(frozen=True, slots=True)
class Finished:
    """An earlier attempt has left complete text and record."""

    result: Result


@dataclass(frozen=True, slots=True)
class Fetched:
    """A complete PDF; `source` is where it came from, None if it was there already."""

    pdf: Fingerprint
    source: str | None = None
    download_seconds: float = 0.0


class PrepRunner:
    """The prep phase of one shard. `slots` are the limits on downloads and extractions."""

    def __init__(
        self,
        papers: Path,
        sources: Sequence[str],
        downloader: Downloader,
        pool: ExtractionPool,
        slow_lane: SlowLane,
        catalogue: CatalogueReader,
        slots: Mapping[str, int],
        *,
        keep_pdf: bool,
    ) -> None:
        self._papers = papers
        self._sources = sources
        self._downloader = downloader
        self._pool = pool
        self._slow_lane = slow_lane
        self._catalogue = catalogue
        self._slots = slots
        self._keep_pdf = keep_pdf
        self._downloaded_bytes = 0

    @property
    def slots(self) -> Mapping[str, int]:
        return self._slots

    async def run(self, claim: Claim, attempt: Attempt) -> Result:
        paper = from_canonical(claim.paper_id)
        files = files_of(self._papers, paper)
        async with attempt.slot(DOWNLOAD):
            found = await self._fetch(paper, files)
        async with attempt.slot(EXTRACT):
            attempt.must_finish()
            if isinstance(found, Finished):
                return found.result
            unfinished: Unfinished | None = None
            if not claim.suspect:
                done = await self._pool.run(lambda: self._begin(claim, paper, files, found))
                if not isinstance(done, Unfinished):
                    return done
                unfinished = done
        # Nothing that another paper may want is held from here on.
        attempt.may_be_interrupted()
        async with attempt.slot(SLOW):
            return await self._slow_lane.run(lambda: self._finish(claim, paper, files, found, unfinished))

    def summary(self, result: Result) -> str:
        return f"pages={result['pages']} chars={result['characters']} refs={result['references']}"

    def gauges(self) -> Mapping[str, Gauge]:
        return {PARSING: Gauge(self._pool.busy, self._pool.threads)}

    def totals(self) -> Mapping[str, int]:
        return {DOWNLOADED_BYTES: self._downloaded_bytes}

    async def _fetch(self, paper: PaperId, files: PaperFiles) -> Finished | Fetched:
        """Gets the paper's PDF, unless its text or a complete PDF exists. Raises PaperError."""
        found = await run_to_its_end(self._downloader.disk, self._look, paper, files)
        if not isinstance(found, Whereabouts):
            return found
        begun = time.monotonic()
        url, pdf = await self._from_first_source(paper, files, found)
        seconds = time.monotonic() - begun
        self._downloaded_bytes += pdf.size_bytes
        log.info("download_pdf done arxiv_id=%s ms=%.0f bytes=%d", paper.canonical, seconds * 1000, pdf.size_bytes)
        return Fetched(pdf, url, seconds)

    def _look(self, paper: PaperId, files: PaperFiles) -> Finished | Fetched | Whereabouts:
        """What exists of a paper already, or else what is known about where to fetch it."""
        return _existing(paper, files) or self._catalogue.whereabouts(paper.canonical)

    async def _from_first_source(
        self, paper: PaperId, files: PaperFiles, known: Whereabouts
    ) -> tuple[str, Fingerprint]:
        refusals: list[PaperError] = []
        archived = [known.tar_url] if known.tar_url else []
        for url in archived + urls_of(paper, self._sources, known.version):
            try:
                return url, await self._downloader.download(url, files.pdf)
            except PaperError as error:
                if error.failure not in _NOT_HERE or (error.failure in _LOCAL_ONLY and not error.final):
                    raise
                refusals.append(error)
        raise min(refusals, key=lambda refusal: _NOT_HERE.index(refusal.failure))

    def _begin(self, claim: Claim, paper: PaperId, files: PaperFiles, fetched: Fetched) -> Result | Unfinished:
        """Extracts and writes, unless the paper is one for the slow lane."""
        begun = time.monotonic()
        with _setting_aside(files.pdf):
            extraction = self._pool.extract(claim.paper_id, files.pdf)
            if isinstance(extraction, Unfinished):
                return extraction
            check_stamp(paper, extraction.stamp)
        return self._write(paper, files, fetched, extraction, time.monotonic() - begun)

    def _finish(
        self, claim: Claim, paper: PaperId, files: PaperFiles, fetched: Fetched, unfinished: Unfinished | None
    ) -> Result:
        """Extracts in the slow lane, and writes: what the pool has begun, or else a suspect."""
        begun = time.monotonic()
        log.info("slow_lane arxiv_id=%s %s", claim.paper_id, "suspect" if unfinished is None else "unfinished")
        with _setting_aside(files.pdf):
            lane = self._slow_lane
            extraction = lane.extract_suspect(files.pdf) if unfinished is None else lane.finish(unfinished)
            check_stamp(paper, extraction.stamp)
        return self._write(paper, files, fetched, extraction, time.monotonic() - begun)

    def _write(
        self, paper: PaperId, files: PaperFiles, fetched: Fetched, extraction: Extraction, seconds: float
    ) -> Result:
        log.info(
            "extract_text done arxiv_id=%s ms=%.0f chars=%d refs=%d",
            paper.canonical,
            seconds * 1000,
            extraction.characters,
            len(extraction.references),
        )
        text = extraction.text.encode()
        record = make_record(
            paper.canonical,
            extraction,
            pdf=fetched.pdf,
            text=fingerprint_of(text),
            source=fetched.source,
            download_seconds=fetched.download_seconds,
            extract_seconds=seconds,
        )
        content = write_artifacts(files, self._downloader.writer, text, record)
        reach("after_artifacts")
        if not self._keep_pdf:
            files.pdf.unlink(missing_ok=True)
        return row_result(record, content, pdf_kept=self._keep_pdf)


@contextmanager
def _setting_aside(pdf: Path) -> Iterator[None]:
    """Gives a PDF that turns out bad, or another paper's, another name, so that a retry fetches the paper again."""
    try:
        yield
    except PaperError as error:
        if error.failure in (Failure.BAD_PDF, Failure.WRONG_PAPER):
            pdf.replace(pdf.with_suffix(".bad.pdf"))
        raise


def check_stamp(paper: PaperId, stamp: Stamp | None) -> None:
    """Raises PaperError(WRONG_PAPER) if the PDF's own stamp names another paper than the one requested."""
    if stamp is not None and names_another(stamp, paper):
        raise PaperError(
            Failure.WRONG_PAPER, f"id_mismatch: the stamp says {stamp.id}v{stamp.version}, asked for {paper.canonical}"
        )


def _existing(paper: PaperId, files: PaperFiles) -> Finished | Fetched | None:
    """What an earlier attempt left: a finished paper, or a PDF (it has its final name only if it is complete)."""
    found = read_finished(files, paper.canonical)
    if found is not None:
        sync_names(files.record.parent)  # the process that wrote them may have died before it synced
        record, content = found
        return Finished(row_result(record, content, pdf_kept=files.pdf.exists()))
    try:
        return Fetched(fingerprint_of_file(files.pdf))
    except FileNotFoundError:
        return None
