"""Finds pages whose own order jumps between columns, or up and down, and gives the document in the order of reading.

Guarantee: pure; an ordinary document costs one pass over its lines and is left alone. A page is reordered only if its
columns are filled with lines, many of these lines are out of order, and their words do not contradict it. Limit: pages
without places, or in scripts that run from right to left, stay as they are.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from unicodedata import bidirectional

from rpa_shard.reading.columns import Layout, Row, read_columns
from rpa_shard.reading.document import Page
from rpa_shard.reading.lines import Line, Reading

# A line that counts in the first, cheap look at a page.
_MIN_POINTS, _MIN_CHARACTERS = 100.0, 20
# How many jumps to the left or upwards make a page worth a closer look; one from the foot of a column to the top of
# another one on its left counts as that many.
_MIN_JUMPS = 3
_FAR_UP_POINTS = 40.0
# How many of a page's long lines must be out of order.
_MIN_MISPLACED, _MIN_MISPLACED_SHARE = 3, 0.2
# A column's lines are this wide, as a share of its widest ones, at least this share of them.
_FULL_SHARE, _MIN_FULL_LINES_SHARE = 0.7, 0.5
_MIN_COLUMN_LINES = 4
_MIN_WIDTH_RATIO = 0.5
_CLOSES = frozenset('.?!:”")]')

PageOrder = list[list[Line]]


def pages_to_reorder(reading: Reading, pages: Sequence[Page]) -> dict[int, PageOrder]:
    """The lines of each page that is to be reordered, in the order of reading, each as its pieces."""
    found: dict[int, PageOrder] = {}
    suspicious = _suspicious(reading.lines) | {number for number, page in enumerate(pages, 1) if page.pieces}
    if not suspicious:
        return found
    lines: defaultdict[int, list[Line]] = defaultdict(list)
    for line in reading.lines:
        if line.page in suspicious:
            lines[line.page].append(line)
    for number in sorted(suspicious):
        page = pages[number - 1]
        pieces = _split(lines[number], page, reading.page_spans[number - 1][0])
        order = _better_order(pieces, page.width or 612.0)
        if order is not None:
            found[number] = order
    return found


def _suspicious(lines: Sequence[Line]) -> set[int]:
    """The pages with several jumps to the left or upwards from one long line to the next."""
    jumps: dict[int, int] = {}
    before_left = before_right = before_baseline = 0.0
    before_page = 0
    for start, end, _, page, left, baseline, right, _ in lines:
        if right - left > _MIN_POINTS and end - start >= _MIN_CHARACTERS:
            if page == before_page and (
                right <= before_left or (baseline > before_baseline + 2.0 and left < before_right)
            ):
                is_far = right <= before_left and baseline > before_baseline + _FAR_UP_POINTS
                jumps[page] = jumps.get(page, 0) + (_MIN_JUMPS if is_far else 1)
            before_page, before_left, before_baseline, before_right = page, left, baseline, right
    return {page for page, count in jumps.items() if count >= _MIN_JUMPS}


def _split(lines: Sequence[Line], page: Page, offset: int) -> list[Line]:
    """The lines, those that an engine joined from several cut into these."""
    if not page.pieces:
        return list(lines)
    starts = [piece.start + offset for piece in page.pieces]
    found: list[Line] = []
    for line in lines:
        inside = page.pieces[bisect_left(starts, line.start) : bisect_left(starts, line.end)]
        # A margin's number may have been cut off the beginning of the line, and of its first piece.
        first = bisect_left(starts, line.start)
        if first and page.pieces[first - 1].end + offset > line.start:
            inside = page.pieces[first - 1 : first] + inside
        if not inside:
            found.append(line)
        for piece in inside:
            start = max(piece.start + offset, line.start)
            text = line.text[start - line.start : piece.end + offset - line.start]
            start += len(text) - len(text.lstrip())
            text = text.strip()
            if text:
                found.append(Line(start, start + len(text), text, line.page, *piece.place))
    return found


def _better_order(lines: Sequence[Line], page_width: float) -> PageOrder | None:
    layout = read_columns(lines, page_width)
    if layout is None:
        return None
    long = [row for row in layout.rows if row.is_long(page_width)]
    parts = [part for row in long for part in row.parts]
    misplaced = len(parts) - _longest_increase(parts)
    if misplaced < max(_MIN_MISPLACED, _MIN_MISPLACED_SHARE * len(parts)) or _is_from_right_to_left(lines):
        return None
    if not _has_full_columns(layout, long) or not _agrees(lines, long):
        return None
    return [[lines[part] for part in row.parts] for row in layout.rows]


def _longest_increase(numbers: Sequence[int]) -> int:
    """The length of the longest increasing subsequence: what is already in order."""
    tails: list[int] = []
    for number in numbers:
        at = bisect_left(tails, number)
        tails[at : at + 1] = [number]
    return len(tails)


def _is_from_right_to_left(lines: Sequence[Line]) -> bool:
    letters = [each for line in lines[:200] for each in line.text[:40] if each.isalpha()]
    return sum(bidirectional(each) in {"R", "AL"} for each in letters) > 0.3 * len(letters)


def _has_full_columns(layout: Layout, long: Sequence[Row]) -> bool:
    """Whether each column is filled by its lines, as text fills it, and no column is much narrower than another."""
    widths: list[float] = []
    for column in range(max(len(layout.edges), 1)):
        found = sorted(row.right - row.left for row in long if row.first == row.last == column)
        if len(found) < _MIN_COLUMN_LINES:
            return False
        widest = found[int(0.9 * (len(found) - 1))]
        if len(found) - bisect_left(found, _FULL_SHARE * widest) < _MIN_FULL_LINES_SHARE * len(found):
            return False
        widths.append(widest)
    return min(widths) >= _MIN_WIDTH_RATIO * max(widths)


def _agrees(lines: Sequence[Line], long: Sequence[Row]) -> bool:
    """Whether the words of the long lines go on in the new order at least as well as in the old one."""
    following: Mapping[int, int] = {before.parts[-1]: row.parts[0] for before, row in pairwise(long)}
    parts = sorted(part for row in long for part in row.parts)
    score = 0
    for part, after in pairwise(parts):
        if part in following and following[part] != after:
            score += _goes_on(lines[part].text, lines[following[part]].text)
            score -= _goes_on(lines[part].text, lines[after].text)
    return score >= 0


def _goes_on(before: str, after: str) -> bool:
    before = before.rstrip()
    return before[-1:] not in _CLOSES and after.lstrip()[:1].islower()
