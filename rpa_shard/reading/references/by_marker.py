"""Beginnings of entries by their markers: `[n]`, `n.`, `(n)`, a bare `n` before a name, `[Abc12]`.

Guarantee: pure, one pass over the lines. A run of numbers begins at 1 and goes up; what else is numbered (sections,
equations, lists) is told apart by what the entries hold: years, names. Limit: a marker must stand at the beginning of
a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rpa_shard.reading.lines import Line
from rpa_shard.reading.references.section import section_end

MARKER = re.compile(
    r"[ \t]*(?:\[(\d{1,4})\]|\((\d{1,4})\)|(\d{1,4})[.)](?=[ \t]|[^\d\s.,;)-]|$)|(\d{1,3})(?=[ \t]?[A-ZÀ-ÖØ-ÞĀ-Ž“\"])|"
    r"\[([^\W\d_][^\[\]]{1,60})\](?![,;.]))[.:]?[ \t]*"
)
_LABEL = 4
_OPEN_LABEL = re.compile(r"[ \t]*\[([A-ZÀ-ÖØ-ÞĀ-Ž][^\[\]\s]{0,24}(?:[ \t,&+][^\[\]]{1,80})?)$")
_YEAR = re.compile(r"(?:1[89]|20)\d\d(?!\d)")
_NO_YEAR_YET = re.compile("[Tt]o appear|[Ii]n press|[Pp]reprint|ar[Xx]iv|[Ss]ubmitted|[Uu]npublished")
# A gap in the numbers: a marker that the engine lost.
MAX_GAP = 2
# How many runs may be open at the same time: a number that begins another one may be a false one.
OPEN_RUNS = 8
_SAMPLE_CHARACTERS = 600
# How many of the entries must hold a year or its like, by the style of the marker.
MIN_SHARES = (0.3, 0.55, 0.6, 0.7, 0.5)
MIN_ENTRIES = (2, 3, 3, 5, 3)


class Run(NamedTuple):
    """Entries that belong together: the indices of their first lines, and where the last one ends at the latest."""

    starts: tuple[int, ...]
    stop: int
    style: int
    share: float

    @property
    def method(self) -> str:
        return "labels" if self.style == _LABEL else "numbers"


def find_runs(lines: Sequence[Line], raw: str, from_line: int = 0) -> list[Run]:
    """The runs of markers that are bibliographies, in the order of the text; they do not overlap."""
    by_style: tuple[list[tuple[int, int]], ...] = ([], [], [], [], [])
    match = MARKER.match
    for index in range(from_line, len(lines)):
        text = lines[index].text
        if text[0] in " \t([0123456789":
            found = match(text)
            if found is not None:
                style = found.lastindex - 1 if found.lastindex else 0
                by_style[style].append((index, 0 if style == _LABEL else int(found[style + 1])))
            elif _OPEN_LABEL.match(text):
                by_style[_LABEL].append((index, 0))
    candidates = [
        run
        for style, markers in enumerate(by_style)
        for starts in (_label_runs(lines, markers) if style == _LABEL else _number_runs(markers))
        if (run := _judged(lines, raw, starts, style)) is not None
    ]
    return _best(candidates)


def has_year(raw: str, begin: int, end: int) -> bool:
    """Whether a part of the text holds a year, or says why there is none."""
    return _YEAR.search(raw, begin, end) is not None or _NO_YEAR_YET.search(raw, begin, end) is not None


def _number_runs(markers: Sequence[tuple[int, int]]) -> Iterable[tuple[int, ...]]:
    """Each run that begins at 1 and goes up, over small gaps; numbers that fit no open run are passed over."""
    open_runs: list[list[tuple[int, int]]] = []
    done: list[list[tuple[int, int]]] = []
    for marker in markers:
        number = marker[1]
        for gap in range(1, MAX_GAP + 1):
            fitting = next((run for run in reversed(open_runs) if run[-1][1] == number - gap), None)
            if fitting is not None:
                fitting.append(marker)
                break
        if number == 1:
            open_runs.append([marker])
            if len(open_runs) > OPEN_RUNS:
                shortest = min(open_runs[:-1], key=len)
                open_runs.remove(shortest)
                done.append(shortest)
    return (tuple(index for index, _ in run) for run in done + open_runs)


def _label_runs(lines: Sequence[Line], markers: Sequence[tuple[int, int]]) -> Iterable[tuple[int, ...]]:
    """Labels one after another, no more than a long entry apart."""
    run: list[int] = []
    for index, _ in markers:
        if run and index - run[-1] > 25:
            yield tuple(run)
            run = []
        run.append(index)
    yield tuple(run)


def _judged(lines: Sequence[Line], raw: str, starts: tuple[int, ...], style: int) -> Run | None:
    """The run, if its entries look like references."""
    starts = _without_outliers(lines, starts)
    if len(starts) < MIN_ENTRIES[style]:
        return None
    stop = section_end(lines, starts[-1], min(len(lines), starts[-1] + 40))
    edges = [*starts[1:], stop]
    with_year = 0
    for start, edge in zip(starts, edges, strict=True):
        begin, end = lines[start].start, lines[edge - 1].end
        with_year += has_year(raw, begin, min(end, begin + _SAMPLE_CHARACTERS))
    share = with_year / len(starts)
    return Run(starts, stop, style, share) if share >= MIN_SHARES[style] else None


def _without_outliers(lines: Sequence[Line], starts: tuple[int, ...]) -> tuple[int, ...]:
    """Without early numbers that stand far before the rest: `[1]` at a line's beginning in the introduction."""
    while len(starts) > 3:
        usual = (starts[-1] - starts[1]) / (len(starts) - 2)
        if starts[1] - starts[0] <= max(40.0, 8 * usual):
            break
        starts = starts[1:]
    return starts


def _best(candidates: Iterable[Run]) -> list[Run]:
    """The most convincing runs that do not overlap: the best one, and others of its style."""
    ranked = sorted(candidates, key=lambda run: (len(run.starts) * (0.5 + run.share), run.starts), reverse=True)
    chosen: list[Run] = []
    for run in ranked:
        if chosen and (run.style != chosen[0].style or len(run.starts) < 5 or run.share < 0.7):
            continue
        if all(run.starts[-1] < other.starts[0] or run.starts[0] > other.starts[-1] for other in chosen):
            chosen.append(run)
    return sorted(chosen, key=lambda run: run.starts)
