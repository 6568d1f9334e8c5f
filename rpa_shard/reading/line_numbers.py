"""Manuscripts whose lines are numbered in the margin: the numbers taken off.

Guarantee: pure; only where at least half of a document's lines begin with numbers that go up one by one (over a
document, or anew on each page); everything else stays as it is. Limit: where a line's own words begin is not known
then: its left edge is 0.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rpa_shard.reading.lines import Line

UNKNOWN_LEFT = 0.0
MIN_LINES = 20
MIN_SHARE = 0.5
# The first look: lines from the middle of the document.
SAMPLE_LINES = 60
MAX_GAP = 3
_NUMBER = re.compile(r"(\d{1,4})(?:[ \t]+(?=\S)|[ \t]*$)")


def without_line_numbers(lines: list[Line]) -> tuple[list[Line], tuple[tuple[int, int], ...]]:
    """The lines without their numbers, and the spans of the numbers in the raw text."""
    middle = lines[len(lines) // 3 : len(lines) // 3 + SAMPLE_LINES]
    if len(lines) < MIN_LINES or sum(line.text[0].isdigit() for line in middle) < MIN_SHARE * len(middle):
        return lines, ()
    widths = _widths(lines)
    if len(widths) < MIN_SHARE * len(lines):
        return lines, ()
    kept: list[Line] = []
    spans: list[tuple[int, int]] = []
    for index, line in enumerate(lines):
        width = widths.get(index, 0)
        if width:
            spans.append((line.start, line.start + width))
        if width < len(line.text):
            shorter = line._replace(start=line.start + width, text=line.text[width:], left=UNKNOWN_LEFT)
            kept.append(shorter if width else line)
    return kept, tuple(spans)


def _widths(lines: Sequence[Line]) -> dict[int, int]:
    """For each numbered line, how many characters its number takes."""
    found: dict[int, int] = {}
    last, page = 0, 0
    for index, line in enumerate(lines):
        match = _NUMBER.match(line.text)
        if match is None:
            continue
        number = int(match[1])
        anew = line.page != page and number <= MAX_GAP
        if last < number <= last + MAX_GAP or anew:
            found[index] = match.end()
            last, page = number, line.page
    return found
