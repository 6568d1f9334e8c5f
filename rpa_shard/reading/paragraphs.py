"""Where paragraphs begin, derived from the places of lines.

Guarantee: pure, one pass; offsets of lines in the raw text, ascending. Limit: a display formula is a paragraph of its
own; without places, only a sentence that ends a short line ends a paragraph.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from operator import sub
from statistics import median

from rpa_shard.reading.lines import Line

_CLOSES = frozenset('.?!:”")]')
_MIN_INDENT_POINTS, _MAX_INDENT_POINTS = 5.0, 60.0


def paragraph_starts(
    lines: Sequence[Line],
    known: Set[int] = frozenset(),
    breaks: list[int] | None = None,
) -> list[int]:
    """Offsets of lines that begin a paragraph; `known` are offsets where one always begins (headings, references).

    `breaks` gets the offsets of lines that are apart from the line before, although that ends no sentence.
    """
    if not lines:
        return []
    leading = _leading(lines)
    usual, far = 1.4 * leading, 6 * leading
    starts = [lines[0].start]
    add = starts.append
    broken = breaks if breaks is not None else []
    before = lines[0]
    page, left, baseline, size = before.page, before.left, before.baseline, before.size
    # One loop without calls for the usual line: a paper has a thousand lines and more.
    for line in lines[1:]:
        start, _, text, line_page, line_left, line_baseline, _, line_size = line
        step = baseline - line_baseline
        if start in known:
            add(start)
        elif not line_size:
            if _short_end(before, line):
                add(start)
        elif line_page == page and -1.0 < step < far:
            # Below 4 points: pieces of one line.
            if step >= usual or (
                step >= 4.0
                and (
                    (not 0.8 < line_size / (size or 1.0) < 1.25 and _both_long(before, line))
                    or (_MIN_INDENT_POINTS < line_left - left < _MAX_INDENT_POINTS and is_closed(before))
                )
            ):
                add(start)
                broken += () if is_closed(before) else (start,)
        elif not is_closed(before):
            broken.append(start)
        elif not text[:1].islower():
            # Another column or page, and the sentence before it is complete.
            add(start)
        before, page, left, baseline, size = line, line_page, line_left, line_baseline, line_size
    return starts


def _both_long(before: Line, line: Line) -> bool:
    return len(before.text) > 3 and len(line.text) > 3


def is_closed(line: Line) -> bool:
    """Whether a line ends with the end of a sentence."""
    return line.text.rstrip()[-1:] in _CLOSES


def _leading(lines: Sequence[Line]) -> float:
    baselines = [line.baseline for line in lines[:400]]
    steps = [step for step in map(sub, baselines, baselines[1:]) if 6 < step < 30]
    return median(steps) if steps else 12.0


def _short_end(before: Line, line: Line) -> bool:
    return len(before.text) < 0.75 * len(line.text) and is_closed(before)
