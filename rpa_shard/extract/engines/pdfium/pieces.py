"""Where PDFium joined what stands apart on the page: it makes one line of all that is drawn on one baseline in turn.

Guarantee: an ordinary page costs a few calls, for a sample of its wide lines. Limit: pages of more than
`MAX_CHARACTERS` are not examined.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from ctypes import byref, c_double
from itertools import pairwise
from math import inf
from typing import Any, NamedTuple

import pypdfium2.raw as c

from rpa_shard.extract.engines.pdfium.calls import (
    char_origin,
    character_at,
    count_rectangles,
    loose_char_box,
    pointer_to,
    rectangle,
)
from rpa_shard.reading.document import Piece, Place
from rpa_shard.reading.order.jumps import is_of_a_reference, jumps

MAX_CHARACTERS = 30_000
# A line that may consist of several: its width as a share of the page's.
_MIN_WIDE_SHARE = 0.3
# So many of many wide lines are looked at; so many more if one of these has a gap, and how many of them must have one.
_SAMPLE_LINES, _SECOND_SAMPLE_LINES, _MIN_SAMPLE_GAPS = 2, 8, 2
_MAX_FEW_LINES = 30
# A gap in a line, as a multiple of the letters' height; what must be on both sides of it in the sample, as a share of
# the page's width.
_MIN_GAP_HEIGHTS = 0.6
_MIN_SIDE_SHARE = 0.13
_MAX_RECTANGLES = 60
# How many of many wide lines must have a gap that ends at the same edge.
_MIN_GAPS_SHARE, _SAME_EDGE_POINTS = 0.3, 4.0
_MIN_JUMPS = 3
# A page whose words are drawn one by one in any order has many short lines, up and down.
_MIN_SHORT_LINES, _MAX_SHORT_LINE_CHARACTERS, _MIN_UPWARDS_SHARE = 80, 12, 0.25
# The share of letters in a page's text, in about as many of its lines; tables of numbers have fewer. References, too:
# they are known by this share of their lines.
_MIN_LETTERS_SHARE, _SAMPLE_LETTERS_LINES = 0.55, 20
_MIN_REFERENCES_SHARE, _MIN_REFERENCES_LETTERS_SHARE = 0.3, 0.3
_FIRST_WIDE_CHARACTER = "\u2e80"
_BLANKS = re.compile(r"[ \t\u00a0]+")


class TextLines(NamedTuple):
    """An open text page: its lines, their spans in UTF-16 units, and where they begin in the page's text."""

    handle: Any
    spans: Sequence[tuple[int, int]]
    lines: Sequence[str]
    offsets: Callable[[], Sequence[int]]
    # Whether PDFium counts characters as it counts the text's units.
    same_index: bool


def wide_lines(places: Sequence[Place | None], page_width: float) -> list[int]:
    """The numbers of the lines that are wide enough to consist of several."""
    least = _MIN_WIDE_SHARE * page_width
    return [
        number
        for number, place in enumerate(places)
        # A line that ends left of its beginning goes on in a column on the left.
        if place and not 0.0 <= place[2] - place[0] <= least
    ]


def find_pieces(
    page: TextLines, places: Sequence[Place | None], page_width: float, wide: Sequence[int]
) -> tuple[Piece, ...]:
    """The pieces of the page's lines, if some of its wide lines consist of several."""
    # Where most lines are narrow, in columns, some may have been joined only if they are drawn in another order.
    are_few = len(wide) < min(len(places) / 3, _MAX_FEW_LINES)
    if are_few and jumps(places) < _MIN_JUMPS and not _are_words(page, places):
        return ()
    probe = _Probe(page, places, _MIN_SIDE_SHARE * page_width)
    is_joined = _are_joined(probe, wide, are_few) and _is_of_letters(page)
    if not is_joined and not _are_words(page, places):
        return ()
    return tuple(piece for number in range(len(places)) for piece in probe.pieces(number))


def _are_words(page: TextLines, places: Sequence[Place | None]) -> bool:
    """Whether the page has many short lines, which go up and down."""
    count = len(page.lines)
    if count < _MIN_SHORT_LINES or sum(map(len, page.lines)) > _MAX_SHORT_LINE_CHARACTERS * count:
        return False
    baselines = [place.baseline for place in places if place is not None]
    return sum(after > before + 2.0 for before, after in pairwise(baselines)) >= _MIN_UPWARDS_SHARE * count


def _is_of_letters(page: TextLines) -> bool:
    """Whether the page has words, or references, rather than a table's numbers."""
    lines = page.lines[:: max(len(page.lines) // _SAMPLE_LETTERS_LINES, 1)]
    letters, characters = sum(map(str.isalpha, "".join(lines))), sum(map(len, lines))
    if letters >= _MIN_LETTERS_SHARE * characters:
        return True
    are_references = sum(map(is_of_a_reference, lines)) >= _MIN_REFERENCES_SHARE * len(lines)
    return are_references and letters >= _MIN_REFERENCES_LETTERS_SHARE * characters


def _are_joined(probe: _Probe, wide: Sequence[int], are_few: bool) -> bool:
    if are_few:
        return any(probe.gap(number) is not None or len(probe.edges(number)) > 1 for number in wide)
    if all(probe.gap(number) is None for number in _sample(wide, _SAMPLE_LINES)):
        return False
    if sum(probe.gap(number) is not None for number in _sample(wide, _SECOND_SAMPLE_LINES)) < _MIN_SAMPLE_GAPS:
        return False
    # Tables and formulas have gaps, too, but seldom in most lines, and not where a column begins.
    gaps = sorted(gap for number in wide if (gap := probe.gap(number)) is not None)
    level = sum(after - before < _SAME_EDGE_POINTS for before, after in pairwise(gaps))
    return level > 0 and level + 1 >= _MIN_GAPS_SHARE * len(wide)


def _sample(wide: Sequence[int], lines: int) -> Sequence[int]:
    """About so many of the wide lines, from all over the page."""
    return wide[len(wide) // (2 * lines) :: max(len(wide) // lines, 1)]


class _Probe:
    """Looks for gaps in lines; `side` is what must be on both sides of one."""

    def __init__(self, page: TextLines, places: Sequence[Place | None], side: float) -> None:
        self._page, self._places, self._side = page, places, side
        self._pointer = pointer_to(page.handle)
        self._left, self._top, self._right, self._bottom = (c_double() for _ in range(4))
        self._edges = byref(self._left), byref(self._top), byref(self._right), byref(self._bottom)
        self._origin = self._edges[:2]
        self._box = c.FS_RECTF()
        self._box_at = byref(self._box)

    def gap(self, number: int) -> float | None:
        """Where a gap in what is drawn on a line ends, if there is one."""
        place = self._places[number]
        if place is None:
            return None
        parts = self._parts(number)
        if parts < 2:
            return None
        before = inf
        for index in range(min(parts, _MAX_RECTANGLES)):
            if not rectangle(self._pointer, index, *self._edges):
                return None
            begin = self._left.value
            if index and before - begin > self._side:
                return begin
            is_inside = min(before - place.left, place.right - begin) > self._side
            if is_inside and begin - before > _MIN_GAP_HEIGHTS * place.size:
                return begin
            before = self._right.value
        return None

    def pieces(self, number: int) -> Iterator[Piece]:
        """The pieces of a line; none if it is one."""
        page, place = self._page, self._places[number]
        if place is None or 0.0 <= place.right - place.left <= self._side / 2:
            return
        # PDFium may give two columns one rectangle, if it put them in order itself, and Chinese.
        is_narrow = 0.0 <= place.right - place.left <= 2 * self._side
        if is_narrow and self._parts(number) < 2 and max(page.lines[number], default="") < _FIRST_WIDE_CHARACTER:
            return
        edges = self.edges(number)
        if len(edges) == 1:
            return
        start, end = page.spans[number]
        edges.append(end - start)
        offset = page.offsets()[number]
        for begin, stop in zip(edges[::2], edges[1::2], strict=True):
            whole = stop if stop < end - start else len(page.lines[number])  # with the hyphen at its end
            yield Piece(offset + begin, offset + whole, self._place(start + begin, start + stop - 1))

    def edges(self, number: int) -> list[int]:
        """Where a line's pieces begin and end: 0, and then each blank that is wider or narrower than a blank."""
        place, (start, end) = self._places[number], self._page.spans[number]
        text = self._page.lines[number][: end - start]
        edges = [0]
        if place is None or len(text) != end - start:
            return edges  # with characters outside of the basic plane, offsets in it are not those of PDFium
        least, most = -place.size, _MIN_GAP_HEIGHTS * place.size
        for blanks in _BLANKS.finditer(text.rstrip()):
            begin, stop = blanks.span()
            if not begin:
                continue
            loose_char_box(self._pointer, self._character(start + begin - 1), self._box_at)
            char_origin(self._pointer, self._character(start + stop), *self._origin)
            if not least < self._left.value - self._box.right < most:
                edges += (begin, stop)
        return edges

    def _parts(self, number: int) -> int:
        """How many rectangles what is drawn on a line has: at least two if it was drawn in two columns."""
        start, end = self._page.spans[number]
        if end <= start:
            return 0
        first, last = self._character(start), self._character(end - 1)
        found: int = count_rectangles(self._pointer, first, last + 1 - first)
        return found

    def _character(self, unit: int) -> int:
        return unit if self._page.same_index else max(character_at(self._pointer, unit), 0)

    def _place(self, first: int, last: int) -> Place:
        first, last = self._character(first), self._character(last)
        box = self._box
        char_origin(self._pointer, first, *self._origin)
        loose_char_box(self._pointer, first, self._box_at)
        size = box.top - box.bottom
        loose_char_box(self._pointer, last, self._box_at)
        size = max(size, box.top - box.bottom)
        return Place(round(self._left.value, 1), round(self._top.value, 1), round(box.right, 1), round(size, 1))
