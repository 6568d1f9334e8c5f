"""One paper's way through the prep phase: download, extract, record.

Guarantee: what exists and is complete is not done again: a finished paper is only recorded, a complete PDF on disk is
only parsed. Text and record are on disk before `run` returns, so before the store says `prepped`. A PDF that nobody
keeps stays on disk only if its attempt fails, for the next attempt or for a person to look at. Limit: it does not touch
the store; the worker ends the claim with its result.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, closing, contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path

from rpa_shard.config.host_policy import host_of
from rpa_shard.extract.pool import ExtractionPool, Unfinished
from rpa_shard.extract.result import Extraction
from rpa_shard.extract.slow_lane import SlowLane
from rpa_shard.fetch.download import Downloader
from rpa_shard.fetch.local import is_local
from rpa_shard.fetch.sources import urls_of
from rpa_shard.fetch.unkept import Memory
from rpa_shard.ipc.shard_report import Gauge
from rpa_shard.model.arxiv_id import PaperId, from_canonical
from rpa_shard.model.failure import Failure, PaperError
from rpa_shard.model.paper import Claim
from rpa_shard.phases.files import PaperFiles, files_of
from rpa_shard.phases.prep.artifacts import write_artifacts
from rpa_shard.phases.prep.existing import Fetched, Finished, existing
from rpa_shard.phases.prep.record import make_record
from rpa_shard.phases.prep.result import row_result
from rpa_shard.phases.runner import Attempt, Result
from rpa_shard.reading.stamp import Stamp, names_another
from rpa_shard.store.catalogue import CatalogueReader, Whereabouts
from rpa_shard.system.failpoints import reach
from rpa_shard.system.files import fingerprint_of
from rpa_shard.system.threads import run_to_its_end

log = logging.getLogger(__name__)

DOWNLOAD, EXTRACT, SLOW = "download", "extract", "slow"
PARSING = "parsing"
DOWNLOADED_BYTES = "downloaded_bytes"
# Where papers came from, besides hosts.
ARCHIVE, LOCAL_FILE, KEPT = "archive", "local file", "kept PDF"
# Lists of URLs may have any number of hosts.
SOURCES_SHOWN, OTHER_SOURCES = 100, "other hosts"
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


class PrepRunner:
    """The prep phase of one shard. `slots` are the limits on downloads and extractions.

    PDFs are kept, or else are in `memory` while they are needed.
    """

    def __init__(
        self,
        papers: Path,
        sources: Sequence[str],
        downloader: Downloader,
        pool: ExtractionPool,
        slow_lane: SlowLane,
        catalogue: CatalogueReader,
        slots: Mapping[str, int],
        memory: Memory | None,
    ) -> None:
        self._papers = papers
        self._sources = sources
        self._downloader = downloader
        self._pool = pool
        self._slow_lane = slow_lane
        self._catalogue = catalogue
        self._slots = slots
        self._memory = memory
        self._totals: Counter[str] = Counter()
        self._by_source: Counter[str] = Counter()
        self._by_flag: Counter[str] = Counter()

    @property
    def slots(self) -> Mapping[str, int]:
        return self._slots

    async def run(self, claim: Claim, attempt: Attempt) -> Result:
        paper = from_canonical(claim.paper_id)
        files = files_of(self._papers, paper)
        async with AsyncExitStack() as downloading:
            await downloading.enter_async_context(attempt.slot(DOWNLOAD))
            found = await self._fetch(paper, files, claim.outdated_before)
            if isinstance(found, Finished):
                self._count(found.result, KEPT)
                return found.result
            if found.unkept is None:
                await downloading.aclose()
            with nullcontext() if found.unkept is None else closing(found.unkept):
                result = await self._extract(claim, attempt, paper, files, found, downloading)
            self._count(result, source_of(None if found.was_there else found.source))
            return result

    async def _extract(
        self,
        claim: Claim,
        attempt: Attempt,
        paper: PaperId,
        files: PaperFiles,
        fetched: Fetched,
        downloading: AsyncExitStack,
    ) -> Result:
        """Has the paper parsed. A PDF that takes memory counts among the downloads until then."""
        async with attempt.slot(EXTRACT):
            await downloading.aclose()
            attempt.must_finish()
            unfinished: Unfinished | None = None
            if not claim.suspect:
                done = await self._pool.run(lambda: self._begin(claim, paper, files, fetched))
                if not isinstance(done, Unfinished):
                    return done
                unfinished = done
            if fetched.unkept is not None:
                await run_to_its_end(self._downloader.disk, fetched.unkept.move_to_file, files.pdf)
        # Nothing that another paper may want is held from here on.
        attempt.may_be_interrupted()
        async with attempt.slot(SLOW):
            return await self._slow_lane.run(lambda: self._finish(claim, paper, files, fetched, unfinished))

    def summary(self, result: Result) -> str:
        return f"pages={result['pages']} chars={result['characters']} refs={result['references']}"

    def gauges(self) -> Mapping[str, Gauge]:
        return {PARSING: Gauge(self._pool.busy, self._pool.threads)}

    def totals(self) -> Mapping[str, int]:
        return dict(self._totals)

    def tallies(self) -> Mapping[str, Mapping[str, int]]:
        return {"source": dict(self._by_source), "flag": dict(self._by_flag)}

    def _count(self, result: Result, source: str) -> None:
        """Counts a finished paper and where it came from."""
        self._totals.update({name: result[name] for name in ("pages", "characters", "references")})
        known = source in self._by_source or len(self._by_source) < SOURCES_SHOWN
        self._by_source[source if known else OTHER_SOURCES] += 1
        self._by_flag.update(result["flags"])

    async def _fetch(self, paper: PaperId, files: PaperFiles, outdated_before: float | None) -> Finished | Fetched:
        """Gets the paper's PDF, unless its text or a complete PDF exists. Raises PaperError."""
        found = await run_to_its_end(self._downloader.disk, self._look, paper, files, outdated_before)
        if not isinstance(found, Whereabouts):
            return found
        begun = time.monotonic()
        fetched = await self._from_first_source(paper, files, found)
        seconds, size_bytes = time.monotonic() - begun, fetched.pdf.size_bytes
        self._totals[DOWNLOADED_BYTES] += size_bytes
        log.info("download_pdf done arxiv_id=%s ms=%.0f bytes=%d", paper.canonical, seconds * 1000, size_bytes)
        return replace(fetched, download_seconds=seconds)

    def _look(
        self, paper: PaperId, files: PaperFiles, outdated_before: float | None
    ) -> Finished | Fetched | Whereabouts:
        """What exists of a paper already, or else what is known about where to fetch it."""
        return existing(paper, files, outdated_before) or self._catalogue.whereabouts(paper.canonical)

    async def _from_first_source(self, paper: PaperId, files: PaperFiles, known: Whereabouts) -> Fetched:
        refusals: list[PaperError] = []
        archived = [known.tar_url] if known.tar_url else []
        for url in archived + urls_of(paper, self._sources, known.version):
            try:
                if self._memory is None:
                    pdf = await self._downloader.download(url, files.pdf)
                    return Fetched(pdf, url, time.time())
                unkept = await self._downloader.download_unkept(url, files.pdf, self._memory)
                return Fetched(unkept.pdf, url, time.time(), unkept=unkept)
            except PaperError as error:
                if error.failure not in _NOT_HERE or (error.failure in _LOCAL_ONLY and not error.final):
                    raise
                refusals.append(error)
        raise min(refusals, key=lambda refusal: _NOT_HERE.index(refusal.failure))

    def _begin(self, claim: Claim, paper: PaperId, files: PaperFiles, fetched: Fetched) -> Result | Unfinished:
        """Extracts and writes, unless the paper is one for the slow lane."""
        begun = time.monotonic()
        with _saving(fetched, files):
            extraction = self._pool.extract(claim.paper_id, fetched.content(files))
            if isinstance(extraction, Unfinished):
                return extraction
            check_stamp(paper, extraction.stamp)
            return self._write(claim, files, fetched, extraction, time.monotonic() - begun)

    def _finish(
        self, claim: Claim, paper: PaperId, files: PaperFiles, fetched: Fetched, unfinished: Unfinished | None
    ) -> Result:
        """Extracts in the slow lane, and writes: what the pool has begun, or else a suspect."""
        begun = time.monotonic()
        log.info("slow_lane arxiv_id=%s %s", claim.paper_id, "suspect" if unfinished is None else "unfinished")
        with _saving(fetched, files):
            content, lane = fetched.content(files), self._slow_lane
            if unfinished is None:
                extraction = lane.extract_suspect(content)
            else:
                extraction = lane.finish(unfinished.moved_to(content))
            check_stamp(paper, extraction.stamp)
            return self._write(claim, files, fetched, extraction, time.monotonic() - begun)

    def _write(
        self, claim: Claim, files: PaperFiles, fetched: Fetched, extraction: Extraction, seconds: float
    ) -> Result:
        log.info(
            "extract_text done arxiv_id=%s ms=%.0f chars=%d refs=%d",
            claim.paper_id,
            seconds * 1000,
            extraction.characters,
            len(extraction.references),
        )
        text = extraction.text.encode()
        record = make_record(
            claim.paper_id,
            extraction,
            pdf=fetched.pdf,
            text=fingerprint_of(text),
            source=fetched.source,
            download_seconds=fetched.download_seconds,
            extract_seconds=seconds,
            fetched_at=fetched.fetched_at,
            # The clock may have been set back since the paper was sent back: the new text must not seem outdated.
            extracted_at=max(time.time(), claim.outdated_before or 0.0),
        )
        content = write_artifacts(files, self._downloader.writer, text, record)
        reach("after_artifacts")
        if self._memory is not None and fetched.unkept is None:
            files.pdf.unlink(missing_ok=True)  # an earlier attempt has left it
        return row_result(record, content, pdf_kept=self._memory is None)


def source_of(url: str | None) -> str:
    """What a paper's source is called where papers are counted: its host, or another kind of place."""
    if url is None:
        return KEPT
    return host_of(url) or (ARCHIVE if url.startswith("tar:") else LOCAL_FILE)


@contextmanager
def _saving(fetched: Fetched, files: PaperFiles) -> Iterator[None]:
    """Saves the PDF of an attempt that fails.

    One that turns out bad, or another paper's, gets another name, so that a retry fetches the paper again. Any other
    that nobody keeps is kept for the retry after all, unless it is on this machine anyway.
    """
    try:
        yield
    except PaperError as error:
        if error.failure in (Failure.BAD_PDF, Failure.WRONG_PAPER):
            if fetched.unkept is None:
                files.pdf.replace(files.refused_pdf)
            else:
                fetched.unkept.keep_as(files.refused_pdf)
        else:
            _keep_for_retry(fetched, files)
        raise
    except Exception:
        _keep_for_retry(fetched, files)
        raise


def _keep_for_retry(fetched: Fetched, files: PaperFiles) -> None:
    if fetched.unkept is not None and not is_local(fetched.source or ""):
        with suppress(OSError):  # then it is fetched again
            fetched.unkept.keep_as(files.pdf)


def check_stamp(paper: PaperId, stamp: Stamp | None) -> None:
    """Raises PaperError(WRONG_PAPER) if the PDF's own stamp names another paper than the one requested."""
    if stamp is not None and names_another(stamp, paper):
        raise PaperError(
            Failure.WRONG_PAPER, f"id_mismatch: the stamp says {stamp.id}v{stamp.version}, asked for {paper.canonical}"
        )
