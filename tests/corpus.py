"""A small folder of finished papers that cite one another, made without a run."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rpa_shard.extract.runner import make
from rpa_shard.model.arxiv_id import from_canonical
from rpa_shard.model.failure import Failure
from rpa_shard.model.phase import PREP
from rpa_shard.phases.files import files_of
from rpa_shard.reading.document import Document, Page
from rpa_shard.reading.quality.figures import measure
from rpa_shard.reading.references import Reference
from rpa_shard.reading.stamp import Stamp
from rpa_shard.store.catalogue import PaperMetadata
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import engine_of, open_ledger
from rpa_shard.store.layout import Layout
from rpa_shard.store.outcome import completed, failed
from tests.finished import write_finished

# Of arXiv with and without a version, a local PDF with arXiv's stamp, a PDF from elsewhere, one that failed.
VERSIONED, PLAIN, LOCAL = "2401.00001v2", "hep-th/9901001", "file:///papers/mine.pdf"
ELSEWHERE, BROKEN = "https://example.org/a%20paper.pdf", "2401.00009"
STAMPS = {PLAIN: Stamp(PLAIN, 3, None, "1 Jan 1999"), LOCAL: Stamp("2401.00002", 1, "cs.LG", "2 Jan 2024")}
TIDES = "10.5555/Tides.1".lower()


def reference(ordinal: int, raw: str, **known: Any) -> Reference:
    """A reference of which so much is known."""
    return Reference(ordinal, f"[{ordinal}]", raw, 1, 9 * ordinal, 9 * ordinal + 8, **known)


REFERENCES: Mapping[str, tuple[Reference, ...]] = {
    VERSIONED: (
        reference(1, "A. Ondine. {Water} & 100% of it. 1988.", arxiv_ids=(PLAIN,), year=1988),
        reference(2, "Weir, C. On ships and tides.", dois=(TIDES,), title="On ships and tides", year=1991),
        reference(3, "=SUM(A1) by a mad author"),
        reference(4, "Two at once", arxiv_ids=("2401.00002", "2401.00077")),
    ),
    PLAIN: (reference(1, "Later work", arxiv_ids=("2401.00001",), urls=("https://example.org/",)),),
    LOCAL: (
        reference(1, "First, Paper", arxiv_ids=("2401.00001",), dois=("10.48550/arxiv.2401.00001",)),
        reference(2, "Weir, ships", arxiv_ids=("2401.00055",), dois=(TIDES,), authors=("Weir, C.", "IBM")),
        reference(3, "Weir, again", title="On Ships, and Tides!", year=1991),
    ),
    ELSEWHERE: (
        reference(1, "Second", arxiv_ids=("2401.00002",)),
        reference(2, "Private communication", title="Private communication", year=2020),
        reference(3, "PRIVATE communication"),
    ),
}
# Who cites whom among the papers themselves.
EDGES = {("2401.00001", PLAIN), ("2401.00001", "2401.00002"), (PLAIN, "2401.00001"), ("2401.00002", "2401.00001")}
EDGES_FROM_ELSEWHERE = {(ELSEWHERE, "2401.00002")}
SNAPSHOT = (
    PaperMetadata(
        "2401.00001",
        r"On $\alpha_1$ & the 100% Erd\H{o}s--R\'enyi graph",
        r"The ATLAS Collaboration: G. A\"{a}d, Jos\'e de la Cruz Jr. (INFN, Rome) and Xi Li",
        "About graphs.",
        "cs.LG math.CO",
        "10.5555/graph_1",
        2,
    ),
    PaperMetadata("2401.00055", "Ships", "C. Weir", "On ships.", "physics.ao-ph", None, 1),
)


def make_corpus(folder: DataFolder) -> None:
    """Makes the folder."""
    with open_ledger(folder, Layout(200, 2)) as ledger:
        ledger.add([*REFERENCES, BROKEN])
        shards = range(ledger.layout.shards)
    for shard in shards:
        asyncio.run(_finish(folder, shard))
    with engine_of(folder).open_catalogue(create=True) as catalogue:
        assert catalogue is not None
        catalogue.add_metadata(SNAPSHOT)


async def _finish(folder: DataFolder, shard: int) -> None:
    async with engine_of(folder).open_store(shard, 60) as store:
        for claim in await store.claim(PREP, 100):
            outcome = failed(PREP, Failure.BAD_PDF, "no pages")
            if claim.paper_id != BROKEN:
                outcome = completed(PREP, {**_write_paper(folder, claim.paper_id), "attempts": 1})
            assert await store.finish(claim, outcome)


def _write_paper(folder: DataFolder, paper_id: str) -> dict[str, Any]:
    pages = (Page(f"Slow ﬁsh\nclocks, of {paper_id}"),)
    extraction = replace(
        make(Document(pages, "pdfium", "5"), measure(pages)),
        references=REFERENCES[paper_id],
        stamp=STAMPS.get(paper_id),
    )
    return write_finished(files_of(folder.papers, from_canonical(paper_id)), paper_id, extraction)
