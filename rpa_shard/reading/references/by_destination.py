"""Beginnings of entries by the named places that hyperref made for them.

Guarantee: pure; each destination gets at most one place, each place at most one entry; destinations at one point are
one entry. A part of an entry that has a destination of its own (REVTeX: `[3] A; B`) is an entry. Limit: hyperref puts
the place above the entry's first line by a distance that depends on the document's class: it is told from the document
as a whole, so a list of very few entries may be placed a line off unless it has markers.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from rpa_shard.reading.document import Destination
from rpa_shard.reading.line_numbers import UNKNOWN_LEFT
from rpa_shard.reading.lines import Line
from rpa_shard.reading.references.by_marker import MARKER

_FARTHEST_ABOVE = 40.0
_LEFT, _RIGHT = -16.0, 110.0
_BIN = 0.5
# A destination inside a line: how far, in points, its height may be from what is usual, and how many letters it may be
# from the beginning of a part.
_SAME_LINE, _CLOSE = 3.0, 9
_BEFORE_PARTS = (re.compile("; "), re.compile(r"\. "))


class Placed(NamedTuple):
    """The lines, those cut in two in whose middle an entry begins; the keys of each entry by its first line's index."""

    lines: list[Line]
    keys: dict[int, list[str]]


def place_destinations(lines: Sequence[Line], destinations: Sequence[Destination]) -> Placed | None:
    """Where the entries begin, in the order of the text; None where there are no places to go by."""
    placed = [each for each in destinations if each.y is not None]
    if not placed:
        return None
    by_page = _lines_by_page(lines, {each.page for each in placed})
    baselines = {page: [lines[index].baseline for index in indices] for page, indices in by_page.items()}
    below = [_below(by_page[each.page], baselines[each.page], lines, each) for each in placed]
    near = [[each for each in candidates if each.across is not None] for candidates in below]
    styles = {each.at: style_of(lines[each.at].text) for found in near for each in found}
    marked = _marker_style(styles, near)
    sure = near
    if marked is not None:
        sure = [[each for each in found if styles[each.at] == marked] for found in near]
    drop = _usual_drop(sure)
    starts: dict[tuple[int, int], list[str]] = {}
    for number, each in sorted(enumerate(placed), key=lambda pair: _order(pair[1])):
        usual = [found for found in sure[number] if abs(found.distance - drop) <= _SAME_LINE]
        found = _choose(usual, drop, starts) or _inside(lines, below[number], each, drop)
        found = found or _choose(sure[number], drop, starts) or _choose(near[number], drop, starts)
        if found is not None:
            starts.setdefault(found, []).append(each.key)
    return _cut(lines, starts)


def _cut(lines: Sequence[Line], starts: Mapping[tuple[int, int], list[str]]) -> Placed:
    """The lines with those divided in which an entry begins."""
    cuts: dict[int, list[int]] = {}
    for index, offset in sorted(starts):
        cuts.setdefault(index, []).append(offset)
    pieces: list[Line] = []
    keys: dict[int, list[str]] = {}
    for index, line in enumerate(lines):
        if index not in cuts:
            pieces.append(line)
            continue
        edges = sorted({0, *cuts[index], len(line.text)})
        for begin, end in pairwise(edges):
            if (index, begin) in starts:
                keys[len(pieces)] = starts[index, begin]
            text = line.text[begin:end]
            pieces.append(line._replace(start=line.start + begin, end=line.start + end, text=text))
    return Placed(pieces, keys)


def _inside(lines: Sequence[Line], below: Sequence[_Below], each: Destination, drop: float) -> tuple[int, int] | None:
    """The place inside a line where a part of an entry begins: after a semicolon, as REVTeX sets them."""
    if each.x is None:
        return None
    best = min(
        (
            (abs(found.distance - drop), found.at)
            for found in below
            if lines[found.at].left - 3 < each.x < lines[found.at].right + 12
        ),
        default=None,
    )
    if best is None or best[0] > _SAME_LINE:
        return None
    line = lines[best[1]]
    at = int(len(line.text) * (each.x - line.left) / max(line.right - line.left, 1.0))
    if at <= _CLOSE:
        return best[1], 0
    for sign in _BEFORE_PARTS:
        ends = [match.end() for match in sign.finditer(line.text) if abs(match.end() - at) <= _CLOSE]
        if ends:
            return best[1], min(ends, key=lambda end: abs(end - at))
    # A part that begins with the next line: the place stands at the end of this one.
    following = best[1] + 1
    return (following, 0) if at >= len(line.text) - _CLOSE and following < len(lines) else None


def _order(each: Destination) -> tuple[int, float, float, str]:
    return each.page, -(each.y or 0.0), each.x or 0.0, each.key


def _lines_by_page(lines: Sequence[Line], pages: set[int]) -> dict[int, list[int]]:
    """For each page, its lines' indices from the bottom up."""
    found: dict[int, list[int]] = {page: [] for page in pages}
    for index, line in enumerate(lines):
        if line.page in found and line.size:
            found[line.page].append(index)
    for indices in found.values():
        indices.sort(key=lambda index: lines[index].baseline)
    return found


class _Below(NamedTuple):
    """A line below a destination: how far, which, and how far to the right it begins if that may be its column."""

    distance: float
    at: int
    across: float | None


def _below(
    indices: Sequence[int], baselines: Sequence[float], lines: Sequence[Line], each: Destination
) -> list[_Below]:
    """Lines a little below the destination."""
    assert each.y is not None
    begin = bisect_left(baselines, each.y - _FARTHEST_ABOVE)
    end = bisect_left(baselines, each.y + 3.0)
    found = []
    for index in indices[begin:end]:
        left = lines[index].left
        across = 0.0 if each.x is None or each.x < 1.0 or left == UNKNOWN_LEFT else left - each.x
        found.append(_Below(each.y - lines[index].baseline, index, across if _LEFT <= across <= _RIGHT else None))
    return sorted(found, key=lambda below: (below.distance, below.at))


def _usual_drop(near: Sequence[Sequence[_Below]]) -> float:
    """The distance from a destination down to its line that most destinations agree upon."""
    votes: Counter[int] = Counter()
    for candidates in near:
        votes.update({round(each.distance / _BIN) for each in candidates if each.distance > 1.0})
    if not votes:
        return 0.0
    around = {step: votes[step - 1] + 2 * votes[step] + votes[step + 1] for step in votes}
    most = max(around.values())
    return min(step for step, count in around.items() if count >= 0.85 * most) * _BIN


def _marker_style(styles: Mapping[int, int | None], near: Sequence[Sequence[_Below]]) -> int | None:
    """The style of marker that most entries begin with, if most do; `styles` by line."""
    counts: Counter[int] = Counter()
    for candidates in near:
        counts.update({style for each in candidates if (style := styles[each.at]) is not None})
    if not counts:
        return None
    style, count = max(sorted(counts.items()), key=lambda item: item[1])
    return style if count >= 0.6 * sum(1 for candidates in near if candidates) else None


def style_of(text: str) -> int | None:
    """The style of the marker that a line begins with."""
    match = MARKER.match(text)
    return match.lastindex if match is not None else None


def _choose(
    candidates: Sequence[_Below], drop: float, taken: Mapping[tuple[int, int], object]
) -> tuple[int, int] | None:
    if not candidates:
        return None
    usual = [each for each in candidates if each.distance > 1.0] or candidates
    best = min(usual, key=lambda each: (abs(each.distance - drop), each.at))
    # Far from where the others are, and taken already: a second name for the same entry.
    return (best.at, 0) if abs(best.distance - drop) < 8.0 or (best.at, 0) not in taken else None
