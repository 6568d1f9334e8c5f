"""Papers written for this project: small, of every kind that a run meets, and different for every id.

Guarantee: the same bytes for the same id; a demo collection holds exactly one broken and one missing paper. Limit:
their science is made up.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from rpa_shard.model.arxiv_id import parse
from rpa_shard.testing.pdf_writer import PAGE_HEIGHT, Destination, Link, Page, Text, write_pdf


class Kind(StrEnum):
    """The layout of a sample paper, or what is wrong with it."""

    TWO_COLUMNS = "two_columns"
    AUTHOR_YEAR = "author_year"
    SCANNED = "scanned"
    BROKEN = "broken"
    MISSING = "missing"


_TITLE = "Tide gauges as slow clocks: notes from harbour {number}"
_ABSTRACT = (
    "We describe how the water level of a small harbour, written down twice a day for forty years, can be read as a "
    "slow clock. The method needs a ruler, a notebook and patience. Measured against two other harbours of the same "
    "coast it loses less than a minute a month, which is better than its authors had hoped for."
)
_BODY = (
    "The ruler stands at the end of the pier and is read at dawn and at dusk [1]. Wind moves the water by a hand or "
    "two, and so every reading is the mean of three, taken one minute apart. Readings that differ by more than a foot "
    "are repeated after the next ship has passed [2]. The notebook is kept in a dry place.",
    "Bees take no part in the measurement, although one hive stands on the pier. In summer the observer waits for "
    "them to leave before the evening reading; the delay is noted and was never longer than a quarter of an hour. A "
    "bridge upstream, finished in the twelfth year, made no difference that we could see [3].",
    "A clock that is read from water has to be set by the sun. We set it at noon on the shortest and on the longest "
    "day. In between it runs free. The remaining error grows with the square root of the number of days, as one "
    "expects of errors that do not know of each other [4], and is smallest in years with little ice.",
    "Other harbours can do the same. What they need is a pier that does not move, an observer who does not either, "
    "and a neighbour to compare notes with. All readings of harbour {number} are printed in the appendix of the "
    "harbour master's yearly report, which anybody may copy.",
)
_REFERENCES = (
    "A. Ondine and B. Fjord. Reading water by hand: thirty years at the pier of a small town, with remarks on "
    "pencils. Journal of Slow Measurements 12, 101-140 (1988). arXiv:hep-th/9901001",
    "C. Weir. On ships, and how long to wait after them. Harbour Notes 3 (1991). doi:10.5555/harbour.1991.3",
    "D. Span, E. Arch and F. Pylon. Bridges that change nothing. Transactions on Bridges 7, 1-9 (2003).",
    "G. Root. Errors that do not know of each other. arXiv:2401.00001 (2024).",
    "H. Master. Yearly report of the harbour, forty volumes. Printed by the town (1984-2023).",
)
_AUTHOR_YEAR = (
    "Ondine, A., and Fjord, B. (1988). Reading water by hand. Journal of Slow Measurements, 12, 101-140.",
    "Span, D., Arch, E., and Pylon, F. (2003). Bridges that change nothing. Transactions on Bridges, 7, 1-9.",
    "Weir, C. (1991). On ships, and how long to wait after them. Harbour Notes, 3. doi:10.5555/harbour.1991.3",
)
_TOP, _BOTTOM, _LEADING = 700.0, 80.0, 13.0


@dataclass(frozen=True, slots=True)
class Collection:
    """Papers by canonical id: their PDF, or None for one that no source has."""

    pdfs: Mapping[str, bytes | None]


def sample_pdf(kind: Kind, paper_id: str) -> bytes:
    """The PDF of a sample paper; a broken one looks complete to a downloader, but no engine can read it."""
    if kind is Kind.BROKEN:
        return b"%PDF-1.5\n" + f"this was {paper_id} once\n".encode() * 20 + b"%%EOF\n"
    if kind is Kind.SCANNED:
        return write_pdf([Page(scanned=True), Page(scanned=True)])
    if kind is Kind.AUTHOR_YEAR:
        return _one_column(paper_id)
    return _two_columns(paper_id)


def demo_collection(papers: int = 200) -> Collection:
    """That number of papers: new and old ids, one broken, one missing, every twentieth scanned."""
    pdfs: dict[str, bytes | None] = {}
    for index in range(papers):
        paper_id, kind = _demo_id(index), _demo_kind(index)
        pdfs[paper_id] = None if kind is Kind.MISSING else sample_pdf(kind, paper_id)
    return Collection(pdfs)


def write_collection(folder: Path, collection: Collection) -> None:
    """Writes the PDFs under the names that the mirror looks for."""
    folder.mkdir(parents=True, exist_ok=True)
    for paper_id, pdf in collection.pdfs.items():
        if pdf is not None:
            (folder / f"{parse(paper_id).file_stem}.pdf").write_bytes(pdf)


def _demo_id(index: int) -> str:
    if index % 10 == 4:
        return f"hep-th/{9901 + index // 500:04}{index % 999 + 1:03}"
    if index % 10 == 7:
        return f"math/0405{index % 999 + 1:03}"
    return f"2401.{index + 1:05}"


def _demo_kind(index: int) -> Kind:
    if index == 3:
        return Kind.BROKEN
    if index == 5:
        return Kind.MISSING
    if index % 20 == 8:
        return Kind.SCANNED
    return Kind.AUTHOR_YEAR if index % 3 == 1 else Kind.TWO_COLUMNS


def _stamp(paper_id: str) -> Text:
    return Text(32, 220, f"arXiv:{paper_id}v1 [physics.ao-ph] 1 Jan 2024", size=18, upwards=True)


def _head(paper_id: str) -> list[Text]:
    title = _TITLE.format(number=paper_id)
    return [Text(90, 740, title, 15, bold=True), Text(90, 720, "A. Sample and B. Example, Harbour Office", 10)]


def _two_columns(paper_id: str) -> bytes:
    """Two columns, numbered references over two pages, with hyperref's destinations and links."""
    width = 46
    body = ["Abstract", *_wrap(_ABSTRACT, width)]
    for number, paragraph in enumerate(_BODY, 1):
        body += ["", f"{number} Section {number} of harbour {paper_id}"]
        body += _wrap(paragraph.format(number=paper_id), width)
    pages = [[_stamp(paper_id), *_head(paper_id), *_columns(body)]]
    lines, places = ["References"], {}
    for number, entry in enumerate(_REFERENCES, 1):
        places[f"cite.sample{number}"] = len(lines)
        lines += _wrap(f"[{number}] {entry}", width)
    texts = _columns(lines, first_column_lines=12)
    destinations = {key: Destination(1, texts[line].x, texts[line].y + _LEADING) for key, line in places.items()}
    link = next(each for each in texts if "doi:" in each.text)
    links = [Link((link.x, link.y - 2, link.x + 220, link.y + 10), "https://doi.org/10.5555/harbour.1991.3")]
    return write_pdf([*(Page(each) for each in pages), Page(texts, links)], destinations)


def _one_column(paper_id: str) -> bytes:
    """One column, an author-year bibliography, no destinations."""
    width = 92
    lines = [*_wrap(_ABSTRACT, width), ""]
    for paragraph in _BODY:
        lines += [*_wrap(paragraph.format(number=paper_id), width), ""]
    lines += ["References", ""]
    for entry in _AUTHOR_YEAR:
        lines += _wrap(entry, width)
    texts = [Text(90, _TOP - _LEADING * row, line) for row, line in enumerate(lines) if line]
    return write_pdf([Page([_stamp(paper_id), *_head(paper_id), *texts])])


def _columns(lines: Sequence[str], first_column_lines: int | None = None) -> list[Text]:
    """Positions lines down the left column, then down the right one."""
    fits = first_column_lines or int((_TOP - _BOTTOM) / _LEADING)
    placed = []
    for row, line in enumerate(lines):
        column, row_in_column = divmod(row, fits)
        placed.append(Text(70 + 250 * column, min(_TOP, PAGE_HEIGHT) - _LEADING * row_in_column, line))
    return placed


def _wrap(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width)
