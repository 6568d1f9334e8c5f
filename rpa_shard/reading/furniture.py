"""Running heads, running feet and page numbers: what repeats on the pages and is not part of the text.

Guarantee: pure; only lines at a page's edge (first or last in the text or on the paper) are dropped, and only where
the same words, ignoring digits, are at an edge of at least three pages and of a quarter of all, or where numbers
increase with the pages. Limit: a head that occurs on only one or two pages stays.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence

from rpa_shard.reading.lines import Line, on_page
from rpa_shard.reading.roman import roman_value

# How many lines from a page's edge may be furniture.
EDGE_LINES = 3
MIN_PAGES = 3
MIN_PAGES_SHARE = 0.25
MAX_HEAD_CHARACTERS = 200
# Of the lines with the same words: how many must also have the same digits, or a number that follows the pages.
MIN_ALIKE_SHARE = 0.6
# Between furniture and text; lines of a text are 1.2 heights apart.
MIN_GAP_LETTER_HEIGHTS = 1.8
_DIGITS = re.compile(r"\d+")
_NUMBER = re.compile(
    r"[ \t]*(?:page[ \t]*)?[-–—\[(|]?[ \t]*(\d{1,4}|[ivxl]{1,7})[ \t]*(?:of \d{1,4})?[-–—\])|]?[ \t]*",
    re.IGNORECASE | re.ASCII,
)
_BESIDE = re.compile(r"[ \t]*(\d{1,4})[ \t|·•–—-]+[^\W\d].*|.*[^\W\d][.)]?[ \t|·•–—-]+(\d{1,4})[ \t]*")
MAX_NUMBER_CHARACTERS = 20
MAX_NUMBERED_HEAD_CHARACTERS = 120


def find_furniture(lines: Sequence[Line]) -> frozenset[int]:
    """The indices of the lines that are furniture."""
    edges, apart = _edges(lines)
    pages = len(edges)
    if pages < 2:
        return frozenset()
    found = _page_numbers(lines, edges, apart)
    where: defaultdict[str, list[int]] = defaultdict(list)
    for indices in edges.values():
        for index in indices:
            if index not in found and len(lines[index].text) <= MAX_HEAD_CHARACTERS:
                words = _DIGITS.sub("#", lines[index].text.strip().casefold())
                where[words].append(index)
    needed = max(MIN_PAGES, MIN_PAGES_SHARE * pages) if pages > 3 else max(2, pages - 1)
    for words, indices in where.items():
        if _repeats(lines, indices, needed) and any(map(str.isalpha, words)) and _are_apart(indices, apart):
            found.update(indices)
    return frozenset(found)


def _edges(lines: Sequence[Line]) -> tuple[dict[int, list[int]], set[int]]:
    """For each page, the lines at its edges: the highest and lowest on the paper, else the first and last of its text.

    Also those of them that are apart from the text: with a gap to the next line inwards larger than between two lines
    of a text.
    """
    edges: dict[int, list[int]] = {}
    apart: set[int] = set()
    baselines = [line.baseline for line in lines]
    first = 0
    while first < len(lines):
        page = lines[first].page
        end = on_page(lines, page).stop
        if lines[first].size and lines[end - 1].size:
            upwards = sorted(range(first, end), key=baselines.__getitem__)
            from_bottom = upwards[: EDGE_LINES + 2]
            from_top = upwards[-(EDGE_LINES + 2) :][::-1]
            edges[page] = sorted({*from_bottom[:EDGE_LINES], *from_top[:EDGE_LINES]})
            apart.update(_apart(lines, from_bottom))
            apart.update(_apart(lines, from_top))
        else:
            edges[page] = sorted(
                {*range(first, min(first + EDGE_LINES, end)), *range(max(end - EDGE_LINES, first), end)}
            )
            apart.update(edges[page])
        first = end
    return edges, apart


def _apart(lines: Sequence[Line], inwards: Sequence[int]) -> Sequence[int]:
    """Of lines from the edge inwards, those before the last large gap."""
    last = 0
    for at in range(1, len(inwards)):
        outer, inner = lines[inwards[at - 1]], lines[inwards[at]]
        if abs(outer.baseline - inner.baseline) > MIN_GAP_LETTER_HEIGHTS * max(inner.size, outer.size):
            last = at
    return inwards[: min(last, EDGE_LINES)]


def _repeats(lines: Sequence[Line], indices: Sequence[int], needed: float) -> bool:
    """Whether lines with the same words are on enough pages, at about the same height."""
    pages = {lines[index].page for index in indices}
    if len(pages) < min(needed, 8) or not (_same(lines, indices) or _numbered(lines, indices)):
        return False
    heights = sorted(Counter(round(lines[index].baseline / 4) for index in indices).values())
    return sum(heights[-2:]) >= 0.75 * len(indices)


def _same(lines: Sequence[Line], indices: Sequence[int]) -> bool:
    """Whether most lines are the same including digits (two variants, where left and right pages differ)."""
    counts = sorted(Counter(lines[index].text.strip() for index in indices).values())
    return sum(count for count in counts[-2:] if count > 1) >= MIN_ALIKE_SHARE * len(indices)


def _numbered(lines: Sequence[Line], indices: Sequence[int]) -> bool:
    """Whether a number in most lines increases with the pages: only the page number differs."""
    shifts = Counter(
        shift
        for index in indices
        for shift in {
            int(number) - lines[index].page for number in _DIGITS.findall(lines[index].text) if len(number) < 6
        }
    )
    return bool(shifts) and max(shifts.values()) >= MIN_ALIKE_SHARE * len(indices)


def _are_apart(indices: Sequence[int], apart: set[int]) -> bool:
    return sum(index in apart for index in indices) >= 0.5 * len(indices)


def _page_numbers(lines: Sequence[Line], edges: dict[int, list[int]], apart: set[int]) -> set[int]:
    """Lines that are only a number which increases with the pages, or that begin or end a page with one."""
    alone: defaultdict[int, list[int]] = defaultdict(list)
    beside: defaultdict[int, list[int]] = defaultdict(list)
    for page, indices in edges.items():
        outermost = _outermost(lines, indices)
        for index in indices:
            text = lines[index].text
            match = _NUMBER.fullmatch(text) if len(text) <= MAX_NUMBER_CHARACTERS else None
            if match is not None:
                number = int(match[1]) if match[1].isdigit() else roman_value(match[1])
                alone[number - page].append(index)
            elif len(text) <= MAX_NUMBERED_HEAD_CHARACTERS and index in outermost:
                beside_number = _BESIDE.fullmatch(text)
                if beside_number is not None:
                    beside[int(beside_number[1] or beside_number[2]) - page].append(index)
    found: set[int] = set()
    for shift in {*alone, *beside}:
        indices = alone[shift] + beside[shift]
        pages = {lines[index].page for index in indices}
        needed = max(2, min(MIN_PAGES, len(edges) - 1))
        if len(pages) >= 0.5 * len(edges) and len(pages) >= needed:
            found.update(alone[shift])
            found.update(beside[shift] if _are_apart(beside[shift], apart) else ())
        elif len(pages) >= needed:
            found.update(index for index in alone[shift] if index in apart)
    return found


def _outermost(lines: Sequence[Line], indices: Sequence[int]) -> set[int]:
    if lines[indices[0]].size:
        by_height = sorted(indices, key=lambda index: lines[index].baseline)
        return {by_height[0], by_height[-1]}
    return {indices[0], indices[-1]}
