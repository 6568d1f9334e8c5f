"""Removes the line numbers that manuscripts have in the margin.

Guarantee: pure; only where at least half of a document's lines begin with numbers that increase one by one (throughout
the document, or restarting on each page); everything else stays unchanged. Limit: where a numbered line's own words
begin is unknown: its left edge is 0.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rpa_shard.reading.lines import Line

UNKNOWN_LEFT = 0.0
MIN_LINES = 20
MIN_NUMBERED_SHARE = 0.5
# The first check: lines from the middle of the document.
SAMPLE_LINES = 60
# How far a number may be from the one before it: an engine may lose some.
MAX_STEP = 3
_NUMBER = re.compile(r"(\d{1,4})(?:[ \t]+(?=\S)|[ \t]*$)")


def without_line_numbers(lines: list[Line]) -> tuple[list[Line], tuple[tuple[int, int], ...]]:
    """The lines without their numbers, and the spans of the numbers in the raw text."""
    middle = lines[len(lines) // 3 : len(lines) // 3 + SAMPLE_LINES]
    if len(lines) < MIN_LINES or sum(line.text[0].isdigit() for line in middle) < MIN_NUMBERED_SHARE * len(middle):
        return lines, ()
    widths = _widths(lines)
    if len(widths) < MIN_NUMBERED_SHARE * len(lines):
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
        restarts = line.page != page and number <= MAX_STEP
        if last < number <= last + MAX_STEP or restarts:
            found[index] = match.end()
            last, page = number, line.page
    return found
