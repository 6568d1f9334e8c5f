"""The order in which the lines of one page are read, from their places: column by column, between what spans columns.

Guarantee: pure; n log n in the number of lines. Columns are where long lines begin beside other long lines. A line that
crosses the gap between columns is read after all that is above it in these columns. What a reader sees as one line
comes out as one, even if an engine has its words apart. Limit: text that runs from left to right; no more than
`MAX_LINES` lines.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from rpa_shard.reading.lines import Line

MAX_LINES = 3_000
# A long line has at least this many characters, and this share of the page's width.
MIN_LONG_CHARACTERS, MIN_LONG_SHARE = 15, 0.12
# In multiples of the letters' height: how far pieces of one line may be apart, up or down and from left to right.
_SAME_ROW_HEIGHTS, _WORD_GAP_HEIGHTS, _RAISED_HEIGHTS = 0.35, 0.9, 0.6
# Two lines are side by side if their baselines are no farther apart than this.
_BESIDE_POINTS = 7.0
_SAME_EDGE_POINTS = 4.0
_MIN_COLUMN_LINES, _MIN_COLUMN_SHARE = 3, 0.08
# How many of a column's lines must have a long line of the column before beside them.
_MIN_BESIDE_SHARE = 0.3
# How far into a column a line must reach to cross the gap before it, as a share of the column's width.
_CROSSING_SHARE = 0.04
# Long lines that are beside one another in one column, and any that are apart in one: no columns of text, or not
# understood. A number in the margin is shorter.
_MAX_UNEXPLAINED_SHARE, _MAX_SCATTERED_SHARE = 0.1, 0.25
_MIN_SCATTERED_CHARACTERS = 5


@dataclass(slots=True)
class Row:
    """A line as a reader sees it: its place, and the indices of the lines or pieces of lines that it consists of."""

    left: float
    baseline: float
    right: float
    size: float
    characters: int
    parts: list[int]
    # The columns from the first to the last that it is in.
    first: int = 0
    last: int = 0

    def is_long(self, page_width: float) -> bool:
        return self.characters >= MIN_LONG_CHARACTERS and self.right - self.left >= MIN_LONG_SHARE * page_width

    def add(self, other: Row) -> None:
        """Joins a row that continues this one."""
        if other.size > 1.2 * self.size:
            self.baseline = other.baseline
        self.left, self.right = min(self.left, other.left), max(self.right, other.right)
        self.size = max(self.size, other.size)
        self.characters += other.characters
        self.parts += other.parts


class Gap(NamedTuple):
    """The gap before a column, from the right edge of the column before it."""

    left: float
    right: float


@dataclass(frozen=True, slots=True)
class Layout:
    """The rows in the order in which they are read, and the left edges of the columns."""

    rows: list[Row]
    edges: list[float] = field(default_factory=list)


def read_columns(lines: Sequence[Line], page_width: float, known: Sequence[float] = ()) -> Layout | None:
    """The order of the lines of one page; None if their places do not explain it. `known`: where columns begin."""
    if len(lines) > MAX_LINES:
        return None
    bands = _bands(_glued(lines))
    rows = [row for band in bands for row in _joined(band)]
    long = [row for row in rows if row.is_long(page_width)]
    edges = list(known) or _edges(long, page_width)
    gaps = _gaps(long, edges)
    _place(rows, gaps, edges, page_width)
    merged: list[Row] = []
    unexplained = scattered = 0
    for band in _bands(rows):
        found = _by_column(band, page_width)
        merged += found.rows
        unexplained += found.unexplained
        scattered += found.scattered
    if unexplained > _MAX_UNEXPLAINED_SHARE * len(long) or scattered > _MAX_SCATTERED_SHARE * len(merged):
        return None
    return Layout(_read(merged, max(len(edges), 1)), edges)


def _glued(lines: Sequence[Line]) -> list[Row]:
    """The lines, with indices and other raised or lowered pieces added to those that they continue."""
    rows: list[Row] = []
    before: Line | None = None
    for index, line in enumerate(lines):
        if not line.size and rows:
            rows[-1].parts.append(index)  # without a place: where the engine has it
            continue
        row = Row(line.left, line.baseline, line.right, line.size, line.end - line.start, [index])
        if before is not None:
            height = max(line.size, before.size)
            is_level = abs(line.baseline - before.baseline) < _RAISED_HEIGHTS * height
            if is_level and -0.3 * height < line.left - before.right < _WORD_GAP_HEIGHTS * height:
                rows[-1].add(row)
                before = line
                continue
        rows.append(row)
        before = line
    return rows


def _bands(rows: Iterable[Row]) -> list[list[Row]]:
    """The rows of about the same baseline, from the top of the page down, each from left to right."""
    bands: list[list[Row]] = []
    top, height = 0.0, 0.0
    for row in sorted(rows, key=lambda row: (-row.baseline, row.left)):
        if bands and top - row.baseline <= _SAME_ROW_HEIGHTS * max(height, row.size):
            bands[-1].append(row)
        else:
            bands.append([row])
            top, height = row.baseline, row.size
    for band in bands:
        band.sort(key=lambda row: (row.left, row.right))
    return bands


def _joined(band: Sequence[Row]) -> list[Row]:
    """Rows of one baseline, joined where only a blank separates them."""
    found: list[Row] = []
    for row in band:
        before = found[-1] if found else None
        if before is not None and row.left - before.right < _WORD_GAP_HEIGHTS * max(row.size, before.size):
            before.add(row)
        else:
            found.append(row)
    return found


def _edges(long: Sequence[Row], page_width: float) -> list[float]:
    """Where columns begin: the left edge of several long lines that have others on their left."""
    if not long:
        return []
    downwards = sorted(long, key=lambda row: row.baseline)
    baselines = [row.baseline for row in downwards]
    lefts = sorted(row.left for row in long)
    edges = [lefts[0]]
    needed = max(_MIN_COLUMN_LINES, _MIN_COLUMN_SHARE * len(long))
    at = 0
    by_left = sorted(long, key=lambda row: row.left)
    while at < len(lefts):
        left = lefts[at]
        end = bisect_right(lefts, left + _SAME_EDGE_POINTS)
        if end - at >= needed and left > edges[-1] + MIN_LONG_SHARE * page_width:
            beside = sum(_has_beside(row, left, edges[-1], downwards, baselines) for row in by_left[at:end])
            if beside >= max(_MIN_COLUMN_LINES, _MIN_BESIDE_SHARE * (end - at)):
                edges.append(left)
        at = end
    return edges


def _has_beside(row: Row, edge: float, before: float, downwards: Sequence[Row], baselines: Sequence[float]) -> bool:
    """Whether a long line of the column before is beside the row."""
    begin = bisect_left(baselines, row.baseline - _BESIDE_POINTS)
    end = bisect_right(baselines, row.baseline + _BESIDE_POINTS, begin)
    width = edge - before
    return any(
        before - width / 4 < each.left < edge - width / 4 and each.right < edge + _CROSSING_SHARE * width
        for each in downwards[begin : min(end, begin + 20)]
    )


def _gaps(long: Sequence[Row], edges: Sequence[float]) -> list[Gap]:
    """The gap before each column but the first."""
    gaps = []
    for before, edge in pairwise(edges):
        rights = sorted(
            row.right
            for row in long
            if before - _SAME_EDGE_POINTS <= row.left < edge - _SAME_EDGE_POINTS and row.right < edge
        )
        usual = rights[int(0.9 * (len(rights) - 1))] if rights else edge - 10.0
        gaps.append(Gap(usual, edge))
    return gaps


def _place(rows: Sequence[Row], gaps: Sequence[Gap], edges: Sequence[float], page_width: float) -> None:
    """Says of each row in which columns it is."""
    middles = [(gap.left + gap.right) / 2 for gap in gaps]
    for row in rows:
        crossed = [number for number, gap in enumerate(gaps) if _crosses(row, gap, edges[number], page_width)]
        if crossed:
            row.first, row.last = crossed[0], crossed[-1] + 1
        else:
            row.first = row.last = bisect_right(middles, (row.left + row.right) / 2)


def _crosses(row: Row, gap: Gap, before: float, page_width: float) -> bool:
    if row.left > gap.left or row.right < gap.right:
        return False
    enough = _CROSSING_SHARE * (gap.right - before)
    is_centred = abs(row.left + row.right - gap.left - gap.right) < 0.05 * page_width
    return is_centred or (row.left < gap.left - enough and row.right > gap.right + enough)


class _Merged(NamedTuple):
    """The rows of one baseline; how many were joined that are apart, and how many of these are long."""

    rows: list[Row]
    scattered: int
    unexplained: int


def _by_column(band: Sequence[Row], page_width: float) -> _Merged:
    """The rows of one baseline, joined in each column, or all if one of them crosses a gap."""
    spanning = [row for row in band if row.first < row.last]
    found: list[Row] = []
    scattered = unexplained = 0
    for row in band:
        if spanning:
            row.first, row.last = min(each.first for each in spanning), max(each.last for each in spanning)
        before = found[-1] if found else None
        if before is not None and before.first == row.first:
            scattered += min(before.characters, row.characters) >= _MIN_SCATTERED_CHARACTERS
            unexplained += before.is_long(page_width) and row.is_long(page_width)
            before.add(row)
        else:
            found.append(row)
    return _Merged(found, scattered, unexplained)


def _read(rows: Sequence[Row], columns: int) -> list[Row]:
    """The rows column by column; one that spans several comes after what is above it in each of them."""
    lists: list[list[Row]] = [[] for _ in range(columns)]
    for row in sorted(rows, key=lambda row: (-row.baseline, row.left)):
        for column in range(row.first, row.last + 1):
            lists[column].append(row)
    found: list[Row] = []
    at = [0] * columns
    seen: set[int] = set()

    def read(column: int, floor: float) -> None:
        while at[column] < len(lists[column]) and lists[column][at[column]].baseline > floor:
            row = lists[column][at[column]]
            at[column] += 1
            if id(row) in seen:
                continue
            seen.add(id(row))
            for other in range(row.first, row.last + 1):
                if other != column:
                    read(other, row.baseline)
            found.append(row)

    for column in range(columns):
        read(column, float("-inf"))
    return found
