"""Finds pages whose own order jumps between columns, or up and down, and gives the document in the order of reading.

Guarantee: pure; an ordinary document costs one pass over its lines and is left alone. A page is reordered only if its
columns are filled with lines, many of these lines are out of order, and their words do not contradict it. Limit: pages
without places, or in scripts that run from right to left, stay as they are.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple
from unicodedata import bidirectional, east_asian_width

from rpa_shard.reading.document import Page, Place
from rpa_shard.reading.lines import Line, Reading, on_page
from rpa_shard.reading.order.columns import Layout, Row, read_columns

# A line that counts in the first, cheap look at a page.
_MIN_POINTS, _MIN_CHARACTERS = 100.0, 20
# How many jumps to the left or upwards make a page worth a closer look; one from the foot of a column to the top of
# another one on its left counts as that many.
_MIN_JUMPS = 3
_FAR_UP_POINTS = 40.0
# A page whose words are drawn one by one in any order has many short lines; so have tables and figures.
_MIN_SHORT_LINES, _MAX_SHORT_LINE_CHARACTERS = 80, 12
_SAMPLE_CHARACTERS, _MIN_SAMPLE_LETTERS_SHARE = 2_000, 0.7
# A full line is this wide, as a share of its column's widest ones, and this share of it is letters and blanks.
_FULL_SHARE, _MIN_LETTERS_SHARE = 0.7, 0.6
# A line of references has many numbers; a table's lines have these seldom, or hardly any letters.
_MIN_REFERENCE_LETTERS_SHARE = 0.3
_OF_A_REFERENCE = re.compile(r"[ \t]*\[\d{1,4}\]|.*?(?:\((?:1[6-9]|20)\d\d[a-z]?\)|arxiv:|doi[:.]|hep-)", re.IGNORECASE)
# How many of a page's full lines must be out of order.
_MIN_MISPLACED, _MIN_MISPLACED_SHARE = 4, 0.2
# Where fewer lines than this share are whole, words are drawn one by one: how many must be out of order then.
_MIN_WHOLE_SHARE, _MIN_JUMBLED_SHARE = 0.5, 0.6
# Columns: how many full lines each must have, and of which width, as a share of the widest column's.
_MIN_COLUMN_LINES, _MIN_WIDTH_RATIO = 4, 0.5
# How often a sentence must go on in the new order rather than in the old one, as a share of the jumps; or else how
# many of the long lines must be full, and of how many characters: cells of a table are not.
_MIN_AGREEMENT = 0.2
_MIN_FULL_LINES_SHARE, _MIN_FULL_CHARACTERS = 0.6, 28
_USUAL_WIDTH = 612.0
_SURE_WIDTH_SHARE = 0.85
_CLOSES = frozenset('.?!:”")]')

PageOrder = list[list[Line]]


def pages_to_reorder(reading: Reading, pages: Sequence[Page]) -> dict[int, PageOrder]:
    """The lines of each page that is to be reordered, in the order of reading, each as its pieces."""
    found: dict[int, PageOrder] = {}
    suspicious = _suspicious(reading.lines)
    suspicious.update(number for number, page in enumerate(pages, 1) if page.pieces and _are_apart(page))
    if not suspicious:
        return found
    edges: list[float] = []
    for number in sorted(suspicious):
        page = _page(reading, pages, number)
        layout = read_columns(page.placed, page.width)
        if layout is not None and _is_better(layout, page):
            found[number] = [[page.lines[part] for part in row.parts] for row in layout.rows]
            edges = layout.edges if len(layout.edges) > len(edges) else edges
    if len(edges) < 2:
        return found
    # A page with few lines, or of mostly short ones, such as a paper's last: if its columns are those of others.
    in_pieces = {number for number, page in enumerate(pages, 1) if page.pieces}
    for number in sorted((suspicious | in_pieces) - found.keys()):
        page = _page(reading, pages, number)
        layout = read_columns(page.placed, page.width, edges)
        if layout is not None and _may_be_better(layout, page):
            found[number] = [[page.lines[part] for part in row.parts] for row in layout.rows]
    return found


class _Page(NamedTuple):
    """A page's lines, joined ones cut into pieces; the same with right edges that are surely not too far right."""

    lines: list[Line]
    placed: list[Line]
    width: float


def _page(reading: Reading, pages: Sequence[Page], number: int) -> _Page:
    page = pages[number - 1]
    lines = [reading.lines[index] for index in on_page(reading.lines, number)]
    pieces = placed = _split(lines, page, reading.page_spans[number - 1][0])
    if page.has_estimated_widths:
        placed = [
            line._replace(right=line.left + _SURE_WIDTH_SHARE * width) if width > _MIN_POINTS else line
            for line, width in ((line, line.right - line.left) for line in pieces)
        ]
    return _Page(pieces, placed, page.width or _USUAL_WIDTH)


def _are_apart(page: Page) -> bool:
    """Whether the page's pieces of lines are in turn on the left and on the right, or its words come one by one."""
    if jumps([piece.place for piece in page.pieces]) >= _MIN_JUMPS:
        return True
    count = max(page.text.count("\n") + 1, len(page.pieces))
    if count < _MIN_SHORT_LINES or len(page.text) > _MAX_SHORT_LINE_CHARACTERS * count:
        return False
    sample = page.text[:_SAMPLE_CHARACTERS]
    return sum(map(str.isalpha, sample)) >= _MIN_SAMPLE_LETTERS_SHARE * len(sample)


def jumps(places: Sequence[Place | None]) -> int:
    """How often the order of wide lines jumps to the left or upwards."""
    count = 0
    before_left = before_right = before_baseline = 0.0
    for left, baseline, right, _ in filter(None, places):
        if right - left > _MIN_POINTS:
            if right <= before_left or (baseline > before_baseline + 2.0 and left < before_right):
                count += 1
            before_left, before_baseline, before_right = left, baseline, right
    return count


def _suspicious(lines: Sequence[Line]) -> set[int]:
    """The pages with several jumps to the left or upwards from one long line to the next."""
    found: dict[int, int] = {}
    before_left = before_right = before_baseline = 0.0
    before_page = 0
    # One loop without calls for the usual line: a paper has a thousand lines and more.
    for start, end, _, page, left, baseline, right, _ in lines:
        if right - left > _MIN_POINTS and end - start >= _MIN_CHARACTERS:
            if right <= before_left or baseline > before_baseline:
                if page == before_page and (right <= before_left or left < before_right):
                    is_far = right <= before_left and baseline > before_baseline + _FAR_UP_POINTS
                    found[page] = found.get(page, 0) + (_MIN_JUMPS if is_far else 1)
                before_page = page
            before_left, before_baseline, before_right = left, baseline, right
    return {page for page, count in found.items() if count >= _MIN_JUMPS}


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


def _is_better(layout: Layout, page: _Page) -> bool:
    """Whether the order of a layout is clearly better than that of the page's lines."""
    long = [row for row in layout.rows if row.is_long(page.width)]
    if _misplaced([part for row in long for part in row.parts]) < _MIN_JUMBLED_SHARE * _MIN_COLUMN_LINES:
        return False  # so few are misplaced that no choice of them is out of order
    full = _full_rows(layout, long, page.lines)
    if not full or not _is_out_of_order(full) or _is_from_right_to_left(page.lines):
        return False
    jumps, agreement = _agreement(page.lines, full)
    if agreement >= max(1.0, _MIN_AGREEMENT * jumps):
        return True
    characters = sorted(_width_in_characters(row, page.lines) for row in full)[len(full) // 2]
    is_text = len(full) >= _MIN_FULL_LINES_SHARE * len(long) and characters >= _MIN_FULL_CHARACTERS
    return is_text and agreement >= -_MIN_AGREEMENT / 2 * jumps


def _may_be_better(layout: Layout, page: _Page) -> bool:
    """Whether the order of a layout whose columns are known is better than that of the page's lines."""
    whole = [row for row in layout.rows if row.is_long(page.width) and _is_whole(row)]
    parts = [row.parts[0] for row in whole]
    are_apart = len({row.first for row in whole if row.first == row.last}) > 1
    return are_apart and _misplaced(parts) > 0 and _agreement(page.lines, whole)[1] >= 0


def _is_whole(row: Row) -> bool:
    return row.parts[-1] - row.parts[0] == len(row.parts) - 1


def _full_rows(layout: Layout, long: Sequence[Row], lines: Sequence[Line]) -> list[Row]:
    """The lines that fill their columns with words; none if a column has few of them, or is much narrower."""
    columns = max(len(layout.edges), 1)
    widths: list[list[float]] = [[] for _ in range(columns)]
    for row in long:
        if row.first == row.last:
            widths[row.first].append(row.right - row.left)
    if any(len(found) < _MIN_COLUMN_LINES for found in widths):
        return []
    widest = [sorted(found)[int(0.9 * (len(found) - 1))] for found in widths]
    if min(widest) < _MIN_WIDTH_RATIO * max(widest):
        return []
    full = [row for row in long if row.right - row.left >= _FULL_SHARE * widest[row.first] and _is_of_words(row, lines)]
    counts = Counter(row.first for row in full if row.first == row.last)
    return full if all(counts[column] >= _MIN_COLUMN_LINES for column in range(columns)) else []


def _text(row: Row, lines: Sequence[Line]) -> str:
    return " ".join(lines[part].text for part in row.parts)


def _is_of_words(row: Row, lines: Sequence[Line]) -> bool:
    text = _text(row, lines)
    share = _MIN_REFERENCE_LETTERS_SHARE if is_of_a_reference(text) else _MIN_LETTERS_SHARE
    return sum(map(str.isalpha, text)) + text.count(" ") >= share * len(text)


def is_of_a_reference(text: str) -> bool:
    """Whether a line has what hardly any but those of a bibliography have."""
    return _OF_A_REFERENCE.match(text) is not None


def _width_in_characters(row: Row, lines: Sequence[Line]) -> int:
    """The characters of a line, those of Chinese, Japanese and Korean counted twice: they are as wide as two."""
    text = _text(row, lines)
    return len(text) if text.isascii() else len(text) + sum(east_asian_width(each) in "WF" for each in text)


def _is_out_of_order(full: Sequence[Row]) -> bool:
    """Whether many of the lines that are whole are out of order; or the words of most lines, if few are whole."""
    whole = [row.parts[0] for row in full if _is_whole(row)]
    if len(whole) >= _MIN_WHOLE_SHARE * len(full):
        return _misplaced(whole) >= max(_MIN_MISPLACED, _MIN_MISPLACED_SHARE * len(whole))
    parts = [part for row in full for part in row.parts]
    return _misplaced(parts) >= _MIN_JUMBLED_SHARE * len(parts)


def _misplaced(numbers: Sequence[int]) -> int:
    """How many numbers are out of order: all but the longest increasing subsequence."""
    tails: list[int] = []
    for number in numbers:
        at = bisect_left(tails, number)
        tails[at : at + 1] = [number]
    return len(numbers) - len(tails)


def _is_from_right_to_left(lines: Sequence[Line]) -> bool:
    letters = [each for line in lines[:200] for each in line.text[:40] if each.isalpha()]
    return sum(bidirectional(each) in {"R", "AL"} for each in letters) > 0.3 * len(letters)


def _agreement(lines: Sequence[Line], full: Sequence[Row]) -> tuple[int, int]:
    """How many lines are followed by another line in the new order; how much more often a sentence goes on in it."""
    following: Mapping[int, int] = {before.parts[-1]: row.parts[0] for before, row in pairwise(full)}
    parts = sorted(part for row in full for part in row.parts)
    jumps = agreement = 0
    for part, after in pairwise(parts):
        if part in following and following[part] != after:
            jumps += 1
            agreement += _goes_on(lines[part].text, lines[following[part]].text)
            agreement -= _goes_on(lines[part].text, lines[after].text)
    return jumps, agreement


def _goes_on(before: str, after: str) -> bool:
    before = before.rstrip()
    return before[-1:] not in _CLOSES and after.lstrip()[:1].islower()
