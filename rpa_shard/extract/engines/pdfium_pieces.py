"""Where PDFium joined what stands apart on the page: it makes one line of all that is drawn on one baseline in turn.

Guarantee: an ordinary page costs a few calls, for a sample of its wide lines. Limit: pages of more than
`MAX_CHARACTERS` are not examined.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from ctypes import addressof, byref, c_double, c_void_p
from itertools import pairwise
from math import inf
from typing import Any, NamedTuple

import pypdfium2.raw as c

from rpa_shard.extract.engines.pdfium_calls import (
    char_origin,
    character_at,
    count_rectangles,
    loose_char_box,
    rectangle,
)
from rpa_shard.reading.document import Piece, Place
from rpa_shard.reading.order import jumps

MAX_CHARACTERS = 30_000
# A line that may consist of several: its width as a share of the page's.
_MIN_WIDE_SHARE = 0.4
_SAMPLE_LINES, _MAX_FEW_LINES = 6, 30
# A gap in a line, as a multiple of the letters' height; what must be on both sides of it in the sample, as a share of
# the page's width.
_MIN_GAP_HEIGHTS = 0.6
_MIN_SIDE_SHARE = 0.1
_MAX_RECTANGLES = 60
# How many lines of the sample must have a gap that ends at the same edge; one is enough where the lines' order jumps.
_MIN_GAPS_SHARE, _SAME_EDGE_POINTS = 0.3, 4.0
_MIN_JUMPS = 3
# A page whose words are drawn one by one in any order has many short lines; so have tables and figures.
_MIN_SHORT_LINES, _MAX_SHORT_LINE_CHARACTERS = 80, 12
_BLANKS = re.compile(r"[ \t\u00a0]+")


class TextLines(NamedTuple):
    """An open text page: its lines, their spans in UTF-16 units, and where they begin in the page's text."""

    handle: Any
    spans: Sequence[tuple[int, int]]
    lines: Sequence[str]
    offsets: Sequence[int]
    # Whether PDFium counts characters as it counts the text's units.
    same_index: bool

    @property
    def pointer(self) -> c_void_p:
        return c_void_p(addressof(self.handle.contents))

    def character(self, unit: int) -> int:
        return unit if self.same_index else max(character_at(self.pointer, unit), 0)


def wide_lines(places: Sequence[Place | None], page_width: float) -> list[int]:
    """The numbers of the lines that are wide enough to consist of several."""
    least = _MIN_WIDE_SHARE * page_width
    return [
        number
        for number, place in enumerate(places)
        # A line that ends left of its beginning goes on in a column on the left.
        if place is not None and not 0.0 <= place[2] - place[0] <= least
    ]


def find_pieces(
    page: TextLines, places: Sequence[Place | None], page_width: float, wide: Sequence[int]
) -> tuple[Piece, ...]:
    """The pieces of the page's lines, if some of its wide lines consist of several."""
    # Where most lines are narrow, in columns, all of the wide ones are looked at: they are few.
    are_few = len(wide) < min(len(places) / 3, _MAX_FEW_LINES)
    sample = wide[:: 1 if are_few else -(-len(wide) // _SAMPLE_LINES)]
    side = _MIN_SIDE_SHARE * page_width
    gaps = sorted(gap for number in sample if (gap := _gap(page, number, places[number], side)) is not None)
    # Tables and formulas have gaps, too, but not where a column begins.
    level = sum(after - before < _SAME_EDGE_POINTS for before, after in pairwise(gaps))
    are_many = level and level + 1 >= _MIN_GAPS_SHARE * len(sample)
    if not are_many and not (gaps and jumps(places) >= _MIN_JUMPS) and not _are_short(page):
        return ()
    return tuple(
        piece
        for number, place in enumerate(places)
        if place is not None and not 0.0 <= place.right - place.left <= side
        for piece in _pieces(page, number, place.size)
    )


def _are_short(page: TextLines) -> bool:
    return len(page.lines) >= _MIN_SHORT_LINES and sum(map(len, page.lines)) <= _MAX_SHORT_LINE_CHARACTERS * len(
        page.lines
    )


def _gap(page: TextLines, number: int, place: Place | None, side: float) -> float | None:
    """Where a gap in what is drawn on a line ends, if there is one far from both ends of the line."""
    start, end = page.spans[number]
    if place is None or end <= start:
        return None
    first, last = page.character(start), page.character(end - 1)
    count = count_rectangles(page.pointer, first, last + 1 - first)
    if count < 2:
        return None
    left, top, right, bottom = c_double(), c_double(), c_double(), c_double()
    edges = byref(left), byref(top), byref(right), byref(bottom)
    before = inf
    for index in range(min(count, _MAX_RECTANGLES)):
        if not rectangle(page.pointer, index, *edges):
            return None
        if index and before - left.value > side:
            return left.value
        gap = left.value - before
        if gap > _MIN_GAP_HEIGHTS * place.size and min(before - place.left, place.right - left.value) > side:
            return left.value
        before = right.value
    return None


def _pieces(page: TextLines, number: int, size: float) -> Iterator[Piece]:
    """The pieces of a line; none if it is one."""
    start, end = page.spans[number]
    text = page.lines[number][: end - start]
    if len(text) != end - start:
        return  # characters outside of the basic plane: offsets in it are not those of PDFium
    x, y, box = c_double(), c_double(), c.FS_RECTF()
    edges = [0]
    for blanks in _BLANKS.finditer(text.rstrip()):
        if not blanks.start():
            continue
        loose_char_box(page.pointer, page.character(start + blanks.start() - 1), byref(box))
        char_origin(page.pointer, page.character(start + blanks.end()), byref(x), byref(y))
        if not -size < x.value - box.right < _MIN_GAP_HEIGHTS * size:
            edges += [blanks.start(), blanks.end()]
    if len(edges) == 1:
        return
    edges.append(len(text))
    offset = page.offsets[number]
    for begin, stop in zip(edges[::2], edges[1::2], strict=True):
        whole = stop if stop < len(text) else len(page.lines[number])  # with the hyphen at its end
        yield Piece(offset + begin, offset + whole, _place(page, start + begin, start + stop - 1))


def _place(page: TextLines, first: int, last: int) -> Place:
    x, y, box = c_double(), c_double(), c.FS_RECTF()
    first, last = page.character(first), page.character(last)
    char_origin(page.pointer, first, byref(x), byref(y))
    loose_char_box(page.pointer, first, byref(box))
    size = box.top - box.bottom
    loose_char_box(page.pointer, last, byref(box))
    size = max(size, box.top - box.bottom)
    return Place(round(x.value, 1), round(y.value, 1), round(box.right, 1), round(size, 1))
