"""Papers in every style of bibliography, with known entries."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from rpa_shard.testing.pdf_writer import Destination, Link, Page, Text, write_pdf

LEADING, ENTRY_GAP, HANG = 12.0, 2.0, 12.0
TOP, BOTTOM = 720.0, 90.0
_SURNAMES = "Ondine Fjord Weir Span Arch Pylon Root Master Harbour Quay Lock Buoy Tide Gauge Ebb".split()
_WORDS = "slow water clocks of small harbours read by hand in winter with pencils and patience after ships".split()
PROSE = (
    "The ruler stands at the end of the pier and is read at dawn and at dusk. Wind moves the water by a hand or two, "
    "and so every reading is the mean of three, taken one minute apart. The notebook is kept in a dry place. "
)


@dataclass(frozen=True, slots=True)
class Entry:
    """What one entry of a bibliography holds."""

    authors: str
    title: str
    year: int
    arxiv_id: str | None
    doi: str | None

    @property
    def text(self) -> str:
        ending = f" arXiv:{self.arxiv_id}." if self.arxiv_id else f" doi:{self.doi}." if self.doi else ""
        return f"{self.authors} ({self.year}). {self.title}. Journal of Slow Measurements, 12, 101-140.{ending}"


def bibliography(count: int) -> list[Entry]:
    """Entries in the order of their first authors, as an author-year list has them."""
    found = []
    for number in range(count):
        surname = sorted(_SURNAMES)[number * len(_SURNAMES) // count]
        second = _SURNAMES[(number * 7 + 3) % len(_SURNAMES)]
        title = " ".join(_WORDS[(number + step) % len(_WORDS)] for step in range(5 + number % 9)).capitalize()
        found.append(
            Entry(
                f"{surname}, {'ABCDE'[number % 5]}. and {second}, F. G.",
                title,
                1980 + number % 40,
                f"2{number % 5}0{number % 9 + 1}.{number + 1:05}" if number % 3 == 0 else None,
                f"10.5555/harbour.{1900 + number}.{number * 37 + 11}" if number % 3 == 1 else None,
            )
        )
    return found


@dataclass(frozen=True, slots=True)
class Style:
    """How a paper is set. `marker` is a form for the number ("[{}] "), "label" or empty for author-year."""

    marker: str
    columns: int = 1
    destinations: bool = True
    heading: str | None = "References"
    appendix: bool = True


def paper(entries: Sequence[Entry], style: Style) -> bytes:
    """The PDF: a page of prose with citations that are links, the bibliography, an appendix."""
    width = 90 if style.columns == 1 else 44
    sheet = _Sheet(style.columns)
    for _ in range(6):
        for line in textwrap.wrap(PROSE * 2, width):
            sheet.line(line)
        sheet.skip(6)
    if style.destinations:
        _cite(sheet)
    if style.heading:
        sheet.line(style.heading, size=13.0, bold=True)
        sheet.skip(4)
    destinations: dict[str, Destination] = {}
    for number, entry in enumerate(entries, 1):
        marker = _marker(style, number, entry)
        lines = textwrap.wrap(marker + entry.text, width - 2, break_on_hyphens=False)
        sheet.keep_together(1)
        page, x, y = sheet.place
        if style.destinations:
            destinations[f"cite.key{number}"] = Destination(page, x, y + LEADING - 1)
        sheet.line(lines[0])
        for line in lines[1:]:
            sheet.line(line, indent=HANG)
        if entry.doi:
            last = sheet.last
            sheet.link(Link((last.x, last.y - 2, last.x + 120, last.y + 8), f"https://doi.org/{entry.doi}"))
        sheet.skip(ENTRY_GAP)
    if style.appendix:
        _append(sheet, width)
    return write_pdf(sheet.pages(), destinations)


def _append(sheet: _Sheet, width: int) -> None:
    sheet.skip(14)
    sheet.line("A Further readings of the ruler", size=13.0, bold=True)
    sheet.skip(4)
    for line in textwrap.wrap(PROSE * 3, width):
        sheet.line(line)


def _cite(sheet: _Sheet) -> None:
    """A line with citations that are links."""
    sheet.line("Others agree: [3] and [1].")
    last = sheet.last
    for left, key in ((54, "key3"), (85, "key1")):
        sheet.link(Link((last.x + left, last.y - 2, last.x + left + 10, last.y + 8), destination=f"cite.{key}"))


def _marker(style: Style, number: int, entry: Entry) -> str:
    if style.marker == "label":
        return f"[{entry.authors[:3]}{entry.year % 100:02}{'abcdefgh'[number % 8]}] "
    return style.marker.format(number)


class _Sheet:
    """Lines down a column, then the next column, then the next page."""

    def __init__(self, columns: int) -> None:
        self._columns = columns
        self._texts: list[list[Text]] = [[]]
        self._links: list[list[Link]] = [[]]
        self._column = 0
        self._y = TOP

    @property
    def place(self) -> tuple[int, float, float]:
        return len(self._texts) - 1, self._x, self._y

    @property
    def last(self) -> Text:
        return self._texts[-1][-1]

    @property
    def _x(self) -> float:
        return 72.0 + 250.0 * self._column

    def keep_together(self, lines: int) -> None:
        if self._y - LEADING * lines < BOTTOM:
            self._next_column()

    def line(self, text: str, *, indent: float = 0.0, size: float = 9.0, bold: bool = False) -> None:
        self.keep_together(1)
        self._texts[-1].append(Text(self._x + indent, self._y, text, size, bold))
        self._y -= LEADING

    def link(self, link: Link) -> None:
        self._links[-1].append(link)

    def skip(self, points: float) -> None:
        self._y -= points

    def _next_column(self) -> None:
        self._y = TOP
        self._column += 1
        if self._column == self._columns:
            self._column = 0
            self._texts.append([])
            self._links.append([])

    def pages(self) -> list[Page]:
        return [
            Page([Text(200, 760, "Slow clocks", 8), *texts, Text(300, 50, str(number), 8)], links)
            for number, (texts, links) in enumerate(zip(self._texts, self._links, strict=True), 1)
        ]
