"""Beginnings of entries by their markers: `[n]`, `n.`, `(n)`, a bare `n` before a name, `[Abc12]`.

Guarantee: pure, one pass over the lines. A run of numbers begins at 1 and increases; other numbered things (sections,
equations, lists) are told apart by what the entries contain: years. Limit: a marker must be at the beginning of a line.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import pairwise
from statistics import median
from types import MappingProxyType
from typing import NamedTuple

from rpa_shard.reading.lines import Line
from rpa_shard.reading.references.section import section_end


class MarkerStyle(NamedTuple):
    """A style of marker: what a run of its markers must have to be a bibliography, and how the method is called."""

    min_entries: int
    min_share_with_year: float
    method: str


# By the name of the marker's group in `MARKER`; an earlier one wins a tie.
STYLES = MappingProxyType(
    {
        "bracketed": MarkerStyle(2, 0.3, "numbers"),
        "parenthesised": MarkerStyle(3, 0.55, "numbers"),
        "dotted": MarkerStyle(3, 0.6, "numbers"),
        "bare": MarkerStyle(5, 0.7, "numbers"),
        "label": MarkerStyle(3, 0.5, "labels"),
    }
)
_LABEL = "label"
MARKER = re.compile(
    r"[ \t]*(?:\[(?P<bracketed>\d{1,4})\]|\((?P<parenthesised>\d{1,4})\)|"
    r"(?P<dotted>\d{1,4})[.)](?=[ \t]|[^\d\s.,;)-]|$)|(?P<bare>\d{1,3})(?=[ \t]?[A-ZÀ-ÖØ-ÞĀ-Ž“\"])|"
    r"\[(?P<label>[^\W\d_][^\[\]]{1,60})\](?![,;.]))[.:]?[ \t]*"
)
_OPEN_LABEL = re.compile(r"[ \t]*\[([A-ZÀ-ÖØ-ÞĀ-Ž][^\[\]\s]{0,24}(?:[ \t,&+][^\[\]]{1,80})?)$")
_YEAR = re.compile(r"(?:1[89]|20)\d\d(?!\d)")
_NO_YEAR_YET = (
    *("To appear", "to appear", "In press", "in press", "Preprint", "preprint"),
    *("arXiv", "arxiv", "Submitted", "submitted", "Unpublished", "unpublished"),
)
# A gap in the numbers: a marker that the engine lost.
MAX_GAP = 2
# How many runs may be open at the same time: a 1 may begin another one by mistake.
MAX_OPEN_RUNS = 8
MAX_LINES_BETWEEN_LABELS = 25
# Numbers with a larger share of lines in larger letters between them are those of footnotes.
MAX_LARGER_SHARE = 0.35
_SAMPLE_CHARACTERS = 600


class Run(NamedTuple):
    """Entries that belong together: the indices of their first lines, where the last one ends at the latest, the style
    of their markers, and the share of them that has a year."""

    starts: tuple[int, ...]
    stop: int
    style: str
    share: float

    @property
    def method(self) -> str:
        return STYLES[self.style].method


class _Marker(NamedTuple):
    """A marker: the index of the line that begins with it, and its number (0 for a label)."""

    line: int
    number: int


def style_of(text: str) -> str | None:
    """The style of the marker that a line begins with."""
    match = MARKER.match(text)
    return match.lastgroup if match is not None else None


def find_runs(lines: Sequence[Line], raw: str) -> list[Run]:
    """The runs of markers that are bibliographies, in the order of the text; they do not overlap."""
    by_style: dict[str, list[_Marker]] = {style: [] for style in STYLES}
    for index, line in enumerate(lines):
        text = line.text
        if text[0] not in " \t([0123456789":
            continue
        match = MARKER.match(text)
        if match is not None and match.lastgroup is not None:
            number = 0 if match.lastgroup == _LABEL else int(match[match.lastgroup])
            by_style[match.lastgroup].append(_Marker(index, number))
        elif _OPEN_LABEL.match(text):
            by_style[_LABEL].append(_Marker(index, 0))
    candidates = [
        run
        for style, markers in by_style.items()
        for starts in (_label_runs(markers) if style == _LABEL else _number_runs(markers))
        if (run := _judged(lines, raw, starts, style)) is not None
    ]
    return _best(candidates)


def has_year(raw: str, begin: int, end: int) -> bool:
    """Whether a part of the text contains a year, or a reason for having none."""
    return _YEAR.search(raw, begin, end) is not None or any(map(raw[begin:end].__contains__, _NO_YEAR_YET))


def _number_runs(markers: Sequence[_Marker]) -> Iterable[tuple[int, ...]]:
    """Each run that begins at 1 and increases, over small gaps; numbers that fit no open run are skipped."""
    open_runs: list[list[_Marker]] = []
    done: list[list[_Marker]] = []
    for marker in markers:
        for gap in range(1, MAX_GAP + 1):
            fitting = next((run for run in reversed(open_runs) if run[-1].number == marker.number - gap), None)
            if fitting is not None:
                fitting.append(marker)
                break
        if marker.number == 1:
            open_runs.append([marker])
            if len(open_runs) > MAX_OPEN_RUNS:
                shortest = min(open_runs[:-1], key=len)
                open_runs.remove(shortest)
                done.append(shortest)
    return (tuple(marker.line for marker in run) for run in done + open_runs)


def _label_runs(markers: Sequence[_Marker]) -> Iterable[tuple[int, ...]]:
    """Labels one after another, no more than a long entry apart."""
    run: list[int] = []
    for marker in markers:
        if run and marker.line - run[-1] > MAX_LINES_BETWEEN_LABELS:
            yield tuple(run)
            run = []
        run.append(marker.line)
    yield tuple(run)


def _judged(lines: Sequence[Line], raw: str, starts: tuple[int, ...], style: str) -> Run | None:
    """The run, if its entries look like references."""
    starts = _without_outliers(starts)
    needed = STYLES[style]
    if len(starts) < needed.min_entries:
        return None
    with_year = sum([_entry_has_year(lines, raw, start, edge) for start, edge in pairwise(starts)])
    if (with_year + 1) / len(starts) < needed.min_share_with_year:  # whatever the last entry has
        return None
    stop = section_end(lines, starts[-1], min(len(lines), starts[-1] + 40))
    share = (with_year + _entry_has_year(lines, raw, starts[-1], stop)) / len(starts)
    if share < needed.min_share_with_year or (style != "bracketed" and _are_footnotes(lines, starts)):
        return None
    return Run(starts, stop, style, share)


def _entry_has_year(lines: Sequence[Line], raw: str, start: int, edge: int) -> bool:
    begin = lines[start].start
    return has_year(raw, begin, min(lines[edge - 1].end, begin + _SAMPLE_CHARACTERS))


def _are_footnotes(lines: Sequence[Line], starts: Sequence[int]) -> bool:
    """Whether the entries are in small letters, and have the text of pages, in larger ones, between them."""
    sizes = [lines[start].size for start in starts]
    if min(sizes) <= 0.0:
        return False
    limit = 1.05 * median(sizes)
    between = lines[starts[0] : starts[-1]]
    larger = sum([line.size > limit for line in between])
    return larger > MAX_LARGER_SHARE * len(between)


def _without_outliers(starts: tuple[int, ...]) -> tuple[int, ...]:
    """Without early numbers far before the rest: `[1]` at a line's beginning in the introduction."""
    while len(starts) > 3:
        usual = (starts[-1] - starts[1]) / (len(starts) - 2)
        if starts[1] - starts[0] <= max(40.0, 8 * usual):
            break
        starts = starts[1:]
    return starts


def _best(candidates: Iterable[Run]) -> list[Run]:
    """The most convincing runs that do not overlap: the best one, and others of its style."""
    ranked = sorted(candidates, key=lambda run: (len(run.starts) * (0.5 + run.share), run.starts), reverse=True)
    # In the order of the text: a run may only overlap its neighbours.
    chosen: list[Run] = []
    for run in ranked:
        if chosen and (run.style != ranked[0].style or len(run.starts) < 5 or run.share < 0.7):
            continue
        at = bisect_left(chosen, run.starts[0], key=lambda other: other.starts[0])
        is_after = at == 0 or chosen[at - 1].starts[-1] < run.starts[0]
        if is_after and (at == len(chosen) or run.starts[-1] < chosen[at].starts[0]):
            chosen.insert(at, run)
    return chosen
