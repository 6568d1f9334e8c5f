"""Where paragraphs begin, told from the places of lines.

Guarantee: pure, one pass; offsets of lines in the raw text, ascending. Limit: a display formula is a paragraph of its
own; without places only sentences that end a short line are told.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from rpa_shard.reading.lines import Line

_CLOSES = frozenset('.?!:”")]')
_INDENT_LEAST, _INDENT_MOST = 5.0, 60.0


def paragraph_starts(lines: Sequence[Line], known: frozenset[int] = frozenset()) -> list[int]:
    """Offsets of lines that begin a paragraph; `known` are offsets where one surely begins (headings, references)."""
    if not lines:
        return []
    leading = _leading(lines)
    usual = 1.4 * leading
    starts = [lines[0].start]
    add = starts.append
    before = lines[0]
    page, left, baseline, size = before.page, before.left, before.baseline, before.size
    for line in lines[1:]:
        start, _, _, on, from_left, height, _, tall = line
        step = baseline - height
        # Nearly every line goes on with the one before it: that is told with few steps.
        goes_on = on == page and 0.0 < step < usual and -_INDENT_MOST < from_left - left < _INDENT_LEAST
        if start in known or (not (goes_on and 0.8 < tall / (size or 1.0) < 1.25) and _anew(before, line, leading)):
            add(start)
        before, page, left, baseline, size = line, on, from_left, height, tall
    return starts


def _anew(before: Line, line: Line, leading: float) -> bool:
    return _breaks(before, line, leading) if line.size else _short_end(before, line)


def _leading(lines: Sequence[Line]) -> float:
    sample = lines[:400]
    steps = [
        above.baseline - below.baseline for above, below in pairwise(sample) if 6 < above.baseline - below.baseline < 30
    ]
    return median(steps) if steps else 12.0


def _breaks(before: Line, line: Line, leading: float) -> bool:
    step = before.baseline - line.baseline
    if line.page == before.page and -1.0 < step < 4.0:
        return False  # pieces of one line
    if line.page == before.page and 0 < step < 6 * leading:
        if step > 1.4 * leading:
            return True
        if abs(line.size - before.size) > 0.2 * max(line.size, before.size) and len(line.text) > 3 < len(before.text):
            return True
        indent = line.left - before.left
        return _INDENT_LEAST < indent < _INDENT_MOST and before.text.rstrip()[-1:] in _CLOSES
    # Another column or page: a sentence that is not over goes on.
    return before.text.rstrip()[-1:] in _CLOSES and not line.text[:1].islower()


def _short_end(before: Line, line: Line) -> bool:
    return len(before.text) < 0.75 * len(line.text) and before.text.rstrip()[-1:] in _CLOSES
