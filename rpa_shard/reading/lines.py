"""A document as one list of lines, in the engine's order, each with its place in the raw text.

Guarantee: `raw[line.start : line.end] == line.text`, for every line. Limit: lines of a page without places have `size`
0.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import repeat
from operator import attrgetter
from statistics import median
from typing import NamedTuple

from rpa_shard.reading.document import Page, Place
from rpa_shard.reading.raw import as_blocks


class Line(NamedTuple):
    """One line: offsets in the raw text, its page (from 1), and its place in points, all 0 if unknown."""

    start: int
    end: int
    text: str
    page: int
    left: float
    baseline: float
    right: float
    size: float


# Lines read per document; a thesis has about 20,000. Each takes about 300 bytes.
MAX_LINES = 300_000


class Reading(NamedTuple):
    """The raw text, the span in it of each page's text, and the lines that are not blank, up to the cap."""

    raw: str
    page_spans: tuple[tuple[int, int], ...]
    lines: list[Line]


_NOWHERE = Place(0.0, 0.0, 0.0, 0.0)
_PAGE = attrgetter("page")


def read_lines(pages: Sequence[Page]) -> Reading:
    """The raw text and its lines."""
    raw, spans = as_blocks([page.text for page in pages])
    lines: list[Line] = []
    add, new = lines.append, tuple.__new__
    for number, (page, (at, end)) in enumerate(zip(pages, spans, strict=True), 1):
        if at == end or len(lines) >= MAX_LINES:
            continue
        texts = raw[at:end].split("\n", MAX_LINES)[:MAX_LINES]
        for text, place in zip(texts, page.places or repeat(None), strict=False):
            stop = at + len(text)
            if text and not text.isspace():
                # The same as Line(...) in half the time: a paper has a thousand lines and more.
                add(new(Line, (at, stop, text, number) + (place or _NOWHERE)))
            at = stop + 1
    return Reading(raw, spans, lines)


def on_page(lines: Sequence[Line], page: int) -> range:
    """The indices of a page's lines; `lines` are in the order of pages."""
    begin = bisect_left(lines, page, key=_PAGE)
    return range(begin, bisect_right(lines, page, begin, key=_PAGE))


def usual_size(lines: Sequence[Line]) -> float:
    """The height of the letters of most lines; 0 if unknown."""
    sample = [line.size for line in lines[:: max(1, len(lines) // 200)] if len(line.text) > 30 and line.size]
    return median(sample) if sample else 0.0
