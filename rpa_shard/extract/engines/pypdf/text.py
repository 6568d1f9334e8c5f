"""Where pypdf's text is on the page, from the pieces that it reports while it reads.

Guarantee: the pieces joined are pypdf's text; otherwise there are no places. Limit: pypdf knows where a piece begins,
not where it ends: right edges and positions inside a piece are estimated from a letter width of about half the letter
height.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import NamedTuple

from rpa_shard.extract.engines.limits import Budget
from rpa_shard.extract.engines.time_slice import check
from rpa_shard.reading.document import Piece, Place
from rpa_shard.reading.raw import valid_line, valid_text

_LETTER_WIDTH_PER_HEIGHT = 0.46
# A lower estimate, for where the next part may be another column's; and how far it must be from that, or up or down,
# as a share of the letters' height.
_NARROW_WIDTH_PER_HEIGHT = 0.38
_MIN_GAP_HEIGHTS, _MIN_STEP_HEIGHTS = 0.6, 0.3
# With more links than this times parts, an index of the parts costs less than passing them for each link.
MAX_PASSED = 200_000
_BAND_POINTS = 4.0
# Higher letters are not found above that height.
_MAX_BANDS = 500


class _Piece(NamedTuple):
    """A piece as pypdf reports it: its text, where it begins, and the height of its letters."""

    text: str
    x: float
    y: float
    size: float


class _Part(NamedTuple):
    """A part of one line: its offset in the page's text, where it begins, the height of its letters, its length."""

    offset: int
    x: float
    y: float
    size: float
    length: int


class Pieces:
    """The pieces of one page's text, gathered by `visit`."""

    def __init__(self) -> None:
        self._pieces: list[_Piece] = []
        self._parts: list[_Part] = []
        self._by_place: _PartsByPlace | None = None

    def visit(self, text: str, cm: Sequence[float], tm: Sequence[float], font: object, font_size: float) -> None:
        """Called by pypdf for each piece, with its text, the two matrices, font and size."""
        if not text:
            return
        check()
        x = tm[4] * cm[0] + tm[5] * cm[2] + cm[4]
        y = tm[4] * cm[1] + tm[5] * cm[3] + cm[5]
        scale = abs(tm[3] * cm[3] + tm[2] * cm[1]) or abs(tm[1] * cm[2]) or 1.0
        self._pieces.append(_Piece(text, float(x), float(y), float(font_size) * float(scale)))

    def finish(self, text: str, budget: Budget) -> tuple[str, tuple[Place | None, ...]]:
        """The valid text, and the place of each of its lines."""
        if "".join(piece.text for piece in self._pieces) != text:
            return budget.cut(valid_text(text)), ()
        lines: list[str] = [""]
        places: list[Place | None] = [None]
        offset = 0
        for piece in self._pieces:
            for number, words in enumerate(piece.text.split("\n")):
                if number:
                    offset += 1
                    lines.append("")
                    places.append(None)
                words = valid_line(words)
                if words and not words.isspace():
                    part = _Part(offset, piece.x, piece.y, piece.size, len(words))
                    self._parts.append(part)
                    places[-1] = _extended(places[-1], part)
                lines[-1] += words
                offset += len(words)
        kept = budget.cut("\n".join(lines))
        return kept, tuple(places[: kept.count("\n") + 1])

    def pieces(self, text: str) -> tuple[Piece, ...]:
        """The pieces of lines that pypdf joined from several."""
        found: list[Piece] = []
        at = 0
        begin = 0
        for line in text.split("\n"):
            end = begin + len(line)
            first = at
            while at < len(self._parts) and self._parts[at].offset < end:
                at += 1
            groups = _apart(self._parts[first:at])
            if len(groups) > 1:
                edges = [group[0].offset for group in groups[1:]]
                found += [
                    Piece(start, stop, place)
                    for place, start, stop in zip(_places(groups), [begin, *edges], [*edges, end], strict=True)
                ]
            begin = end + 1
        return tuple(found)

    def expect(self, points: int, budget: Budget) -> None:
        """Prepares for `offset_at` being asked for that many points."""
        if points * len(self._parts) > MAX_PASSED:
            self._by_place = _PartsByPlace(self._parts, budget)

    def offset_at(self, x: float, y: float) -> int | None:
        """The offset in the text of the character at or near a point of the page."""
        if self._by_place is not None:
            return _offset_in(self._by_place.nearest(x, y), x)
        best: _Part | None = None
        for part in self._parts:
            if _is_at(part, x, y) and (best is None or part.x > best.x):
                best = part
        return _offset_in(best, x)


class _PartsByPlace:
    """The parts of one page by height, and at each height by their left edges."""

    def __init__(self, parts: Sequence[_Part], budget: Budget) -> None:
        self._budget = budget
        bands: defaultdict[int, list[tuple[float, int]]] = defaultdict(list)
        for order, part in enumerate(parts):
            check()
            first, last = _band(part.y - 0.4 * part.size), _band(part.y + part.size + 1)
            # Of parts with one left edge the first one counts.
            for band in range(first, min(last, first + _MAX_BANDS) + 1):
                bands[band].append((part.x, -order))
        for found in bands.values():
            found.sort()
        self._bands = bands
        self._parts = parts

    def nearest(self, x: float, y: float) -> _Part | None:
        band = self._bands.get(_band(y), [])
        for at in range(bisect_right(band, (x + 4, 1)), 0, -1):
            if not self._budget.may_look():
                return None
            part = self._parts[-band[at - 1][1]]
            if _is_at(part, x, y):
                return part
        return None


def _is_at(part: _Part, x: float, y: float) -> bool:
    return part.y - 0.4 * part.size <= y <= part.y + part.size + 1 and x >= part.x - 4


def _offset_in(part: _Part | None, x: float) -> int | None:
    """The offset of the letter of a part at a place, estimated."""
    if part is None:
        return None
    inside = min(int((x - part.x) / max(_LETTER_WIDTH_PER_HEIGHT * part.size, 0.1)), part.length - 1)
    return part.offset + max(inside, 0)


def _band(y: float) -> int:
    # Not beyond any page: a position may be infinite or no number at all.
    return int(max(-1e6, min(1e6, y)) // _BAND_POINTS)


def _extended(place: Place | None, part: _Part) -> Place:
    """The place of a line up to and including a part of it."""
    right = part.x + _LETTER_WIDTH_PER_HEIGHT * part.size * part.length
    if place is None:
        return Place(round(part.x, 1), round(part.y, 1), round(right, 1), round(part.size, 1))
    return place._replace(right=round(max(place.right, right), 1), size=max(place.size, round(part.size, 1)))


def _apart(parts: Sequence[_Part]) -> list[list[_Part]]:
    """The parts of a line, in groups that are apart on the page."""
    groups: list[list[_Part]] = []
    for part in parts:
        before = groups[-1][-1] if groups else None
        if before is not None:
            height = max(part.size, before.size)
            right = before.x + _NARROW_WIDTH_PER_HEIGHT * before.size * before.length
            is_beside = before.x <= part.x < right + _MIN_GAP_HEIGHTS * height
            if is_beside and abs(part.y - before.y) < _MIN_STEP_HEIGHTS * height:
                groups[-1].append(part)
                continue
        groups.append([part])
    return groups


def _places(groups: Sequence[Sequence[_Part]]) -> Iterator[Place]:
    """The place of each group of parts; the estimate of its width leaves a gap to the next one on its right."""
    for group, after in zip_longest(groups, groups[1:]):
        place: Place | None = None
        for part in group:
            place = _extended(place, part)
        assert place is not None
        if after is not None and after[0].x > group[-1].x:
            place = place._replace(right=min(place.right, round(after[0].x - place.size, 1)))
        yield place
