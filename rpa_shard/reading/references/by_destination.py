"""Beginnings of entries by the named places that hyperref made for them.

Guarantee: pure; each destination gets at most one line, each line at most one entry; destinations at one point are one
entry. Limit: hyperref puts the place above the entry's first line by a distance that depends on the document's class:
it is told from the document as a whole, so a list of very few entries may be placed a line off unless it has markers.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence

from rpa_shard.reading.document import Destination
from rpa_shard.reading.lines import Line
from rpa_shard.reading.references.by_marker import MARKER

_FARTHEST_ABOVE = 40.0
_LEFT, _RIGHT = -16.0, 110.0
_BIN = 0.5


def place_destinations(lines: Sequence[Line], destinations: Sequence[Destination]) -> dict[int, list[str]]:
    """The index of each entry's first line, with the keys of its destinations; in the order of the text."""
    placed = [each for each in destinations if each.y is not None]
    if not placed:
        return {}
    by_page = _lines_by_page(lines, {each.page for each in placed})
    baselines = {page: [lines[index].baseline for index in indices] for page, indices in by_page.items()}
    near = [_near(by_page[each.page], baselines[each.page], lines, each) for each in placed]
    marked = _marker_style(lines, near)
    if marked is not None:
        near = [
            [each for each in candidates if style_of(lines[each[1]].text) == marked] or candidates
            for candidates in near
        ]
    drop = _usual_drop(near)
    starts: dict[int, list[str]] = {}
    for each, candidates in sorted(zip(placed, near, strict=True), key=lambda pair: _order(pair[0])):
        index = _choose(candidates, drop, starts)
        if index is not None:
            starts.setdefault(index, []).append(each.key)
    return dict(sorted(starts.items()))


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


def _near(
    indices: Sequence[int], baselines: Sequence[float], lines: Sequence[Line], each: Destination
) -> list[tuple[float, int]]:
    """Lines of the destination's column a little below it: how far below, and which."""
    assert each.y is not None
    begin = bisect_left(baselines, each.y - _FARTHEST_ABOVE)
    end = bisect_left(baselines, each.y + 3.0)
    found = []
    for index in indices[begin:end]:
        across = 0.0 if each.x is None else lines[index].left - each.x
        if _LEFT <= across <= _RIGHT or (each.x is not None and each.x < 1.0):
            found.append((each.y - lines[index].baseline, index))
    return sorted(found)


def _usual_drop(near: Sequence[Sequence[tuple[float, int]]]) -> float:
    """The distance from a destination down to its line that most destinations agree upon."""
    votes: Counter[int] = Counter()
    for candidates in near:
        votes.update({round(distance / _BIN) for distance, _ in candidates if distance > 1.0})
    if not votes:
        return 0.0
    around = {step: votes[step - 1] + 2 * votes[step] + votes[step + 1] for step in votes}
    most = max(around.values())
    return min(step for step, count in around.items() if count >= 0.85 * most) * _BIN


def _marker_style(lines: Sequence[Line], near: Sequence[Sequence[tuple[float, int]]]) -> int | None:
    """The style of marker that most entries begin with, if most do."""
    styles: Counter[int] = Counter()
    for candidates in near:
        found = {style for _, index in candidates if (style := style_of(lines[index].text)) is not None}
        styles.update(found)
    if not styles:
        return None
    style, count = max(sorted(styles.items()), key=lambda item: item[1])
    return style if count >= 0.6 * sum(1 for candidates in near if candidates) else None


def style_of(text: str) -> int | None:
    """The style of the marker that a line begins with."""
    match = MARKER.match(text)
    return match.lastindex if match is not None else None


def _choose(candidates: Sequence[tuple[float, int]], drop: float, taken: Mapping[int, object]) -> int | None:
    if not candidates:
        return None
    usual = [each for each in candidates if each[0] > 1.0] or candidates
    distance, index = min(usual, key=lambda each: (abs(each[0] - drop), each[1]))
    # Far from where the others are, and taken already: a second name for the same entry.
    return index if abs(distance - drop) < 8.0 or index not in taken else None
