"""Beginnings of entries by the named destinations that hyperref made for them.

Guarantee: pure; each destination gets at most one line, each line at most one entry; destinations at one point are one
entry. A part of an entry that has a destination of its own (REVTeX: `[3] A; B`) is an entry. Limit: hyperref puts a
destination above its entry's first line by a distance that depends on the document's class and is estimated from all
entries, so a list of very few entries may come out a line off unless it has markers.
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
from rpa_shard.reading.lines import Line, on_page
from rpa_shard.reading.references.by_marker import STYLES, style_of

_MAX_DROP_POINTS = 40.0
_MIN_ACROSS_POINTS, _MAX_ACROSS_POINTS = -16.0, 110.0
_BIN_POINTS = 0.5
# Lines considered for one destination, the nearest ones.
_MAX_LINES_BELOW = 100
# A destination inside a line: how far its height may be from the usual one, and how many letters it may be from the
# beginning of a part.
_SAME_LINE_POINTS, _CLOSE_CHARACTERS = 3.0, 9
_BEFORE_PARTS = (re.compile("; "), re.compile(r"\. "))


class Placed(NamedTuple):
    """The lines, cut where an entry begins inside one; the keys of each entry by its first line's index."""

    lines: list[Line]
    keys: dict[int, list[str]]


def place_destinations(lines: Sequence[Line], destinations: Sequence[Destination]) -> Placed | None:
    """Where the entries begin, in the order of the text; None if no destination has a height."""
    placed = [each for each in destinations if each.y is not None]
    if not placed:
        return None
    by_page = {page: _from_below(lines, page) for page in {each.page for each in placed}}
    baselines = {page: [lines[index].baseline for index in indices] for page, indices in by_page.items()}
    below = [_below(by_page[each.page], baselines[each.page], lines, each) for each in placed]
    near = [[each for each in candidates if each.across is not None] for candidates in below]
    styles = {each.at: style_of(lines[each.at].text) for found in near for each in found}
    style = _usual_style(styles, near)
    sure = near
    if style is not None:
        sure = [[each for each in found if styles[each.at] == style] for found in near]
    drop = _usual_drop(sure)
    starts: dict[tuple[int, int], list[str]] = {}
    for number, each in sorted(enumerate(placed), key=lambda pair: _order(pair[1])):
        usual = [found for found in sure[number] if abs(found.distance - drop) <= _SAME_LINE_POINTS]
        found = _choose(usual, drop, starts) or _inside(lines, below[number], each, drop)
        found = found or _choose(sure[number], drop, starts) or _choose(near[number], drop, starts)
        if found is not None:
            starts.setdefault(found, []).append(each.key)
    return _cut(lines, starts)


def _cut(lines: Sequence[Line], starts: Mapping[tuple[int, int], list[str]]) -> Placed:
    """The lines, divided where an entry begins inside one."""
    cuts: dict[int, list[int]] = {}
    for index, offset in sorted(starts):
        cuts.setdefault(index, []).append(offset)
    pieces: list[Line] = []
    keys: dict[int, list[str]] = {}
    whole = 0
    for index, offsets in cuts.items():
        pieces += lines[whole:index]
        whole = index + 1
        line = lines[index]
        for begin, end in pairwise(sorted({0, *offsets, len(line.text)})):
            if (index, begin) in starts:
                keys[len(pieces)] = starts[index, begin]
            text = line.text[begin:end]
            pieces.append(line._replace(start=line.start + begin, end=line.start + end, text=text))
    return Placed(pieces + list(lines[whole:]), keys)


def _inside(lines: Sequence[Line], below: Sequence[_Below], each: Destination, drop: float) -> tuple[int, int] | None:
    """The line and offset where a part of an entry begins: after a semicolon, as REVTeX sets them."""
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
    if best is None or best[0] > _SAME_LINE_POINTS:
        return None
    line = lines[best[1]]
    at = int(len(line.text) * (each.x - line.left) / max(line.right - line.left, 1.0))
    if at <= _CLOSE_CHARACTERS:
        return best[1], 0
    for sign in _BEFORE_PARTS:
        ends = [match.end() for match in sign.finditer(line.text) if abs(match.end() - at) <= _CLOSE_CHARACTERS]
        if ends:
            return best[1], min(ends, key=lambda end: abs(end - at))
    # The destination of a part that begins with the next line is at the end of this one.
    following = best[1] + 1
    return (following, 0) if at >= len(line.text) - _CLOSE_CHARACTERS and following < len(lines) else None


def _order(each: Destination) -> tuple[int, float, float, str]:
    return each.page, -(each.y or 0.0), each.x or 0.0, each.key


def _from_below(lines: Sequence[Line], page: int) -> list[int]:
    """The indices of a page's lines from the bottom up."""
    indices = (index for index in on_page(lines, page) if lines[index].size)
    return sorted(indices, key=lambda index: lines[index].baseline)


class _Below(NamedTuple):
    """A line below a destination: its distance, its index, and how far to the right it begins (None: other column)."""

    distance: float
    at: int
    across: float | None


def _below(
    indices: Sequence[int], baselines: Sequence[float], lines: Sequence[Line], each: Destination
) -> list[_Below]:
    """The lines close below the destination, nearest first."""
    assert each.y is not None
    end = bisect_left(baselines, each.y + 3.0)
    begin = max(bisect_left(baselines, each.y - _MAX_DROP_POINTS), end - _MAX_LINES_BELOW)
    found = []
    for index in indices[begin:end]:
        left = lines[index].left
        across = 0.0 if each.x is None or each.x < 1.0 or left == UNKNOWN_LEFT else left - each.x
        same_column = _MIN_ACROSS_POINTS <= across <= _MAX_ACROSS_POINTS
        found.append(_Below(each.y - lines[index].baseline, index, across if same_column else None))
    return sorted(found)


def _usual_drop(near: Sequence[Sequence[_Below]]) -> float:
    """The distance from a destination down to its line that most destinations agree upon."""
    votes: Counter[int] = Counter()
    for candidates in near:
        votes.update({round(each.distance / _BIN_POINTS) for each in candidates if each.distance > 1.0})
    if not votes:
        return 0.0
    around = {step: votes[step - 1] + 2 * votes[step] + votes[step + 1] for step in votes}
    most = max(around.values())
    return min(step for step, count in around.items() if count >= 0.85 * most) * _BIN_POINTS


def _usual_style(styles: Mapping[int, str | None], near: Sequence[Sequence[_Below]]) -> str | None:
    """The style of marker that most entries begin with, if most do; `styles` by line."""
    counts: Counter[str] = Counter()
    for candidates in near:
        counts.update({style for each in candidates if (style := styles[each.at]) is not None})
    style = max(STYLES, key=counts.__getitem__)
    enough = 0.6 * sum(1 for candidates in near if candidates)
    return style if counts[style] and counts[style] >= enough else None


def _choose(
    candidates: Sequence[_Below], drop: float, taken: Mapping[tuple[int, int], object]
) -> tuple[int, int] | None:
    if not candidates:
        return None
    usual = [each for each in candidates if each.distance > 1.0] or candidates
    best = min(usual, key=lambda each: (abs(each.distance - drop), each.at))
    # Far from where the others are, and taken already: a second destination of the same entry.
    return (best.at, 0) if abs(best.distance - drop) < 8.0 or (best.at, 0) not in taken else None
