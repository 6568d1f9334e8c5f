"""A document whose pages are put into the order of reading, and the way back to the offsets of its own raw text.

Guarantee: pure; `reading` is what `read_lines` would give for a document drawn in that order, so everything is derived
from it as from any other. Pages in order already keep their text. Limit: offsets that lie between the reordered lines
(blank lines) lead to the nearest one.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from rpa_shard.reading.document import AddedText, Document, Page
from rpa_shard.reading.lines import Line, Reading
from rpa_shard.reading.raw import as_blocks

Span = tuple[int, int]


class _Segment(NamedTuple):
    """A stretch of text that is the same in both texts: where it begins in each, and its length."""

    start: int
    raw_start: int
    length: int


@dataclass(frozen=True, slots=True)
class Reordered:
    """The document and reading in the order of reading; `order` has their pages' pieces in the raw text."""

    document: Document
    reading: Reading
    order: Mapping[int, Sequence[Span]]
    _segments: Sequence[_Segment]
    _starts: Sequence[int]

    def raw_start(self, offset: int) -> int:
        """The offset in the raw text of what begins at an offset of the reading."""
        segment = self._segments[max(bisect_right(self._starts, offset) - 1, 0)]
        return segment.raw_start + min(max(offset - segment.start, 0), segment.length)

    def raw_spans(self, start: int, end: int) -> list[Span]:
        """The spans of the raw text that make up a span of the reading, in its order."""
        found = []
        for segment in self._segments[max(bisect_right(self._starts, start) - 1, 0) :]:
            if segment.start >= end:
                break
            begin, stop = max(start, segment.start), min(end, segment.start + segment.length)
            if begin < stop:
                found.append((segment.raw_start + begin - segment.start, segment.raw_start + stop - segment.start))
        return found

    def raw_span(self, start: int, end: int) -> Span:
        """From where a span of the reading begins to where the last of its parts behind that ends in the raw text."""
        spans = self.raw_spans(start, end)
        if not spans:
            at = self.raw_start(start)
            return at, at
        return spans[0][0], max(stop for _, stop in spans)


def reorder(document: Document, reading: Reading, orders: Mapping[int, Sequence[Sequence[Line]]]) -> Reordered:
    """The document with the lines of some pages in another order; `orders` has each line as its pieces."""
    texts = [
        _text(orders[number]) if number in orders else reading.raw[slice(*span)]
        for number, span in enumerate(reading.page_spans, 1)
    ]
    raw, spans = as_blocks(texts)
    by_page: dict[int, list[Line]] = {}
    for line in reading.lines:
        by_page.setdefault(line.page, []).append(line)
    segments: list[_Segment] = []
    lines: list[Line] = []
    pages = list(document.pages)
    for number, ((start, end), (raw_start, _)) in enumerate(zip(spans, reading.page_spans, strict=True), 1):
        if number not in orders:
            segments.append(_Segment(start, raw_start, end - start))
            shift = start - raw_start
            lines += [line._replace(start=line.start + shift, end=line.end + shift) for line in by_page.get(number, ())]
            continue
        inside: list[_Segment] = []
        for row in orders[number]:
            lines.append(_one_line(row, start))
            for piece in row:
                inside.append(_Segment(start, piece.start, len(piece.text)))
                start += len(piece.text) + 1
        segments += inside
        pages[number - 1] = _moved(pages[number - 1], raw[slice(*spans[number - 1])], inside, raw_start)
    order = {number: [(piece.start, piece.end) for row in rows for piece in row] for number, rows in orders.items()}
    starts = [segment.start for segment in segments]
    return Reordered(replace(document, pages=tuple(pages)), Reading(raw, spans, lines), order, segments, starts)


def _text(rows: Iterable[Sequence[Line]]) -> str:
    return "\n".join(" ".join(piece.text for piece in row) for row in rows)


def _one_line(row: Sequence[Line], start: int) -> Line:
    """The pieces of a line as one, at an offset."""
    text = " ".join(piece.text for piece in row)
    tallest = max(row, key=lambda piece: piece.size)
    main = tallest if tallest.size > 1.2 * row[0].size else row[0]
    left, right = min(piece.left for piece in row), max(piece.right for piece in row)
    return Line(start, start + len(text), text, row[0].page, left, main.baseline, right, tallest.size)


def _moved(page: Page, text: str, segments: Sequence[_Segment], raw_start: int) -> Page:
    """The page with its new text, and the offsets of its links and of added text in that."""
    by_raw = sorted(segments, key=lambda segment: segment.raw_start)
    raw_starts = [segment.raw_start for segment in by_raw]
    begin = segments[0].start
    links = []
    for link in page.links:
        if link.offset is not None:
            at = link.offset + raw_start
            segment = by_raw[max(bisect_right(raw_starts, at) - 1, 0)]
            link = link._replace(offset=segment.start - begin + min(max(at - segment.raw_start, 0), segment.length))
        links.append(link)
    added: list[AddedText] = []
    for each in page.added:
        first, end = (bisect_left(raw_starts, at + raw_start) for at in (each.start, each.end))
        for number, segment in enumerate(by_raw[first:end]):
            start = segment.start - begin
            if number and added[-1].end + 1 == start:  # its next line
                added[-1] = added[-1]._replace(end=start + segment.length)
            else:
                added.append(AddedText(each.kind, start, start + segment.length))
    return replace(page, text=text, links=tuple(links), added=tuple(added), pieces=())
