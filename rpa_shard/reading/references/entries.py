"""From the first line of each entry to the entries: which lines belong to each, and where the last one ends.

Guarantee: pure; every line belongs to at most one entry. Limit: foreign text between two entries (a figure, a page of
an appendix) is recognised by its distance, its letters and its length.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from statistics import median

from rpa_shard.reading.lines import Line
from rpa_shard.reading.references.section import CAPTION, HEADING, ends_section

# More than any entry of an ordinary list has.
MAX_LINES_PER_ENTRY = 40
# Outside of these, letters are not of the bibliography's size (small capitals measure 0.7).
MIN_SIZE_RATIO, MAX_SIZE_RATIO = 0.62, 1.16


def entry_lines(
    lines: Sequence[Line], starts: Sequence[int], stop: int, ends: Set[int] = frozenset()
) -> list[list[Line]]:
    """The lines of each entry. `stop` is where the last one ends at the latest; `ends` are indices in `starts` of
    further entries that, like the last, may be followed by something else."""
    edges = [*starts[1:], stop]
    lengths = [edge - start for start, edge in zip(starts, edges, strict=True)]
    usual = median(lengths[:-1]) if len(lengths) > 1 else 3.0
    size = median([lines[start].size for start in starts])
    entries: list[list[Line]] = []
    for number, (start, edge) in enumerate(zip(starts, edges, strict=True)):
        last = number == len(starts) - 1 or number in ends
        if last or edge - start > 3 * usual + 6:
            edge = _real_end(lines, start, edge, size, usual)
        entries.append(list(lines[start : min(edge, start + MAX_LINES_PER_ENTRY)]))
    return entries


def _real_end(lines: Sequence[Line], start: int, edge: int, size: float, usual: float) -> int:
    """Where an entry ends that may be followed by something else."""
    leading = _leading(lines, start, edge)
    hanging = _hanging(lines, start, edge)
    for index in range(start + 1, edge):
        if ends_section(lines, index, size) or _is_foreign(lines[index].text):
            return index
        if index - start > 3 * usual + 8:
            return _paragraph_end(lines, start, index)
        line, before = lines[index], lines[index - 1]
        if not (line.size and before.size):
            continue
        if _other_letters(before, line, size):
            return index
        if line.page == before.page and line.baseline < before.baseline:
            far = leading and before.baseline - line.baseline > 1.45 * leading + 1.0
            back = hanging and line.left < lines[start].left + 1.5 and line.left < before.left - 3.0
            if far or back:
                return index
        elif _far_from_column(lines, start, index):
            return index
    return edge


def _other_letters(before: Line, line: Line, size: float) -> bool:
    """Whether larger or much smaller letters begin with a line; fonts of one size differ a little."""
    is_other = not MIN_SIZE_RATIO < line.size / max(size, 1.0) < MAX_SIZE_RATIO
    was_usual = abs(before.size - size) <= 0.25 * size
    return is_other and was_usual and len(line.text) > 3 and not _same_line(before, line)


def _is_foreign(text: str) -> bool:
    return HEADING.fullmatch(text) is not None or CAPTION.match(text) is not None


def _same_line(before: Line, line: Line) -> bool:
    """Whether a reader sees two lines as one: an index or a symbol separates them."""
    return line.page == before.page and abs(line.baseline - before.baseline) < 0.6 * max(line.size, before.size)


def _leading(lines: Sequence[Line], start: int, edge: int) -> float:
    """The distance of baselines in the lines around; 0 if there are too few."""
    begin = max(0, start - 12)
    steps = [
        lines[index - 1].baseline - lines[index].baseline
        for index in range(begin + 1, min(edge, start + 4))
        if lines[index].page == lines[index - 1].page
    ]
    steps = sorted(step for step in steps if 5 < step < 30)
    return steps[len(steps) // 3] if len(steps) >= 3 else 0.0


def _hanging(lines: Sequence[Line], start: int, edge: int) -> bool:
    return edge - start > 1 and lines[start + 1].left > lines[start].left + 3.0


def _far_from_column(lines: Sequence[Line], start: int, index: int) -> bool:
    """At the top of a column or page: whether the line is much wider than the entry's column."""
    column = lines[max(0, start - 6) : start + 1]
    width = max(line.right - line.left for line in column)
    line = lines[index]
    return line.right - line.left > 1.3 * width + 20


def _paragraph_end(lines: Sequence[Line], start: int, index: int) -> int:
    """The line after the last short one, or after the one that ends a sentence."""
    for each in range(start + 1, index):
        if lines[each - 1].text.rstrip()[-1:] == ".":
            return each
    return index
