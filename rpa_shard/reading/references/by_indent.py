"""Beginnings of entries without markers: hanging indents, gaps between entries, or names after a full stop.

Guarantee: pure, a few passes over the section's lines; of the three readings of a section the one whose entries look
most like references wins. Limit: needs a heading; without places of lines only the third reading is there.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence, Set
from typing import NamedTuple

from rpa_shard.reading.lines import Line
from rpa_shard.reading.references.by_marker import has_year
from rpa_shard.reading.references.names import INITIAL, LOOSE_ACCENT, PARTICLE, UPPER, WORD
from rpa_shard.reading.references.section import CAPTION, section_end

_SMALLEST_INDENT, _MAX_INDENT = 4.0, 48.0
_SAME = 1.6
# How much shorter than its column a paragraph's last line is at least.
_SHORT = 8.0
MAX_ENTRY, MAX_ENTRY_LINES = 1500, 12
# What a reading of the page is worth over one of the words alone, in shares of good entries.
TRUST_IN_INDENTS, TRUST_IN_GAPS = 0.12, 0.1
# A name: `Weir, C.`, `C. Weir`, `Weir C`, `Carla Weir`, `IBM Corporation`, `cjadams`.
_NAME = re.compile(
    rf"{LOOSE_ACCENT}{PARTICLE}(?:[{UPPER}][\w’'`´¨-]*,?\s|(?:{INITIAL}){{1,4}}\s?{PARTICLE}[{UPPER}]|"
    rf"[{UPPER}][\w’'-]+[,.:]|[a-z]\w+,\s[{UPPER}])"
)
_AUTHORS = re.compile(
    rf"{LOOSE_ACCENT}{PARTICLE}(?:(?:{INITIAL}){{1,4}}\s?{PARTICLE}{WORD}+|"
    rf"{WORD}+(?:[ -]{WORD}+)?,\s?(?:[{UPPER}]\.|[{UPPER}][a-z]+)|"
    rf"{WORD}+ [{UPPER}]{{1,3}}[,. ]|"
    # Given name first: journals' names look like that, too.
    rf"(?P<spelled>{WORD}+(?: [{UPPER}]\.)?(?: {WORD}+){{1,2}}(?:,| and |\.)))"
)
# An entry of the same authors as the one before: only its year stands there.
_SAME_AUTHORS = re.compile(r"[_.\s]{0,12}\(?(?:1[6-9]|20)\d\d[a-z]?\)?[,.:]")
MAX_NAME = 200
MIN_NAMED = 0.85
MAX_WITH_YEARS = 0.6
_ENDS = re.compile(r"(?:[.\])”\"?!]|\d[a-z]?\.?|https?://\S+)\s*$")


class Listed(NamedTuple):
    """Entries: the indices of their first lines, where the last one ends, and the share that looks like references."""

    starts: tuple[int, ...]
    stop: int
    share: float


def find_listed(lines: Sequence[Line], raw: str, heading: int, stop: int) -> Listed | None:
    """The entries of the section under the line `heading`, or None where nothing looks like a bibliography."""
    begin = heading + 1
    stop = section_end(lines, begin, stop)
    if stop - begin < 2:
        return None
    anew = _anew(lines, begin, stop)
    readings = [(_with_years(lines, raw, (begin, *sorted(anew - {begin})), stop), 0.0)]
    if all(line.size for line in lines[begin : min(begin + 5, stop)]):
        columns = _columns(lines, begin, stop)
        readings += [
            (_by_indent(lines, begin, stop, columns), TRUST_IN_INDENTS),
            (_by_gaps(lines, begin, stop, columns, anew), TRUST_IN_GAPS),
        ]
    judged = [_judged(lines, raw, starts, stop, trust, anew) for starts, trust in readings if len(starts) >= 2]
    return max(judged, key=lambda each: (each[0], len(each[1].starts)))[1] if judged else None


def _columns(lines: Sequence[Line], begin: int, stop: int) -> list[int]:
    """For each line of the section, a number that changes where its page or column does."""
    found: list[int] = []
    number = 0
    for index in range(begin, stop):
        if index > begin:
            line, before = lines[index], lines[index - 1]
            if line.page != before.page or line.baseline > before.baseline + 2 * max(line.size, 4.0):
                number += 1
        found.append(number)
    return found


def _by_indent(lines: Sequence[Line], begin: int, stop: int, columns: Sequence[int]) -> tuple[int, ...]:
    """Lines at the left edge of a hanging indent."""
    steps: Counter[int] = Counter()
    for index in range(begin + 1, stop):
        if columns[index - begin] == columns[index - begin - 1]:
            step = round(lines[index].left - lines[index - 1].left)
            if _SMALLEST_INDENT <= abs(step) <= _MAX_INDENT:
                steps[abs(step)] += 1
    if not steps:
        return ()
    around = {step: count + steps[step - 1] + steps[step + 1] for step, count in steps.items()}
    indent = max(sorted(around), key=lambda step: around[step])
    votes = _edge_votes(lines, begin, stop, columns, indent)
    starts = [
        index for index in range(begin, stop) if _is_start(lines, index, columns[index - begin], votes, index == begin)
    ]
    return tuple(starts)


_Votes = dict[tuple[int, int], list[int]]


def _edge_votes(lines: Sequence[Line], begin: int, stop: int, columns: Sequence[int], indent: int) -> _Votes:
    """How often a left edge, in one column and in all (-1), was that of a first and of a further line."""
    votes: _Votes = {}
    for index in range(begin + 1, stop):
        column = columns[index - begin]
        if column != columns[index - begin - 1]:
            continue
        step = lines[index].left - lines[index - 1].left
        if abs(abs(step) - indent) > _SAME:
            continue
        first, further = (index - 1, index) if step > 0 else (index, index - 1)
        for which, each in ((0, first), (1, further)):
            for key in ((column, round(lines[each].left)), (-1, round(lines[each].left))):
                votes.setdefault(key, [0, 0])[which] += 1
    return votes


def _is_start(lines: Sequence[Line], index: int, column: int, votes: _Votes, first: bool) -> bool:
    left = round(lines[index].left)
    for key in (column, -1):
        firsts = sum(votes.get((key, left + shift), (0, 0))[0] for shift in (-1, 0, 1))
        furthers = sum(votes.get((key, left + shift), (0, 0))[1] for shift in (-1, 0, 1))
        if firsts + furthers >= 1 and firsts != furthers:
            return firsts > furthers
    return first


def _by_gaps(lines: Sequence[Line], begin: int, stop: int, columns: Sequence[int], anew: Set[int]) -> tuple[int, ...]:
    """Lines after a larger gap than that between two lines; at a column's top, those that begin with a name."""
    steps: Counter[float] = Counter()
    for index in range(begin + 1, stop):
        step = lines[index - 1].baseline - lines[index].baseline
        if columns[index - begin] == columns[index - begin - 1] and 4 < step < 40:
            steps[round(step * 2) / 2] += 1
    leading = min((step for step, count in steps.items() if count >= 0.15 * sum(steps.values())), default=0.0)
    if not leading:
        return ()
    starts = [begin]
    for index in range(begin + 1, stop):
        if columns[index - begin] == columns[index - begin - 1]:
            if lines[index - 1].baseline - lines[index].baseline > 1.18 * leading:
                starts.append(index)
        elif index in anew:
            starts.append(index)
    return tuple(starts)


def _anew(lines: Sequence[Line], begin: int, stop: int) -> frozenset[int]:
    """Lines that begin with a name after one that ended a sentence, or that is shorter than its column."""
    found = []
    edge = _right_edges(lines, begin, stop)
    for index in range(begin + 1, stop):
        if _AUTHORS.match(lines[index].text, 0, MAX_NAME) is not None:
            before = lines[index - 1]
            if _ENDS.search(before.text[-80:]) is not None or before.right < edge[index - begin - 1] - _SHORT:
                found.append(index)
    return frozenset(found)


def _right_edges(lines: Sequence[Line], begin: int, stop: int) -> list[float]:
    """For each line of the section, where most lines of its column end; 0 where places are not known."""
    columns = _columns(lines, begin, stop)
    rights: dict[int, list[float]] = {}
    for column, line in zip(columns, lines[begin:stop], strict=True):
        rights.setdefault(column, []).append(line.right)
    edges = {column: sorted(found)[len(found) // 2] for column, found in rights.items()}
    return [edges[column] for column in columns]


def _with_years(lines: Sequence[Line], raw: str, starts: tuple[int, ...], stop: int) -> tuple[int, ...]:
    """Without those whose entry has no year, in a list whose others have: a journal's name looks like an author's."""
    edges = [*starts[1:], stop]
    kept = tuple(
        start
        for start, edge in zip(starts, edges, strict=True)
        if start == starts[0] or not _spelled_out(lines[start].text) or _has_year(lines, raw, start, edge)
    )
    return kept if len(kept) >= MAX_WITH_YEARS * len(starts) else starts


def _spelled_out(text: str) -> bool:
    match = _AUTHORS.match(text, 0, MAX_NAME)
    return match is not None and match["spelled"] is not None


def _has_year(lines: Sequence[Line], raw: str, start: int, edge: int) -> bool:
    return has_year(raw, lines[start].start, min(lines[edge - 1].end, lines[start].start + MAX_ENTRY))


def _judged(
    lines: Sequence[Line], raw: str, starts: tuple[int, ...], stop: int, trust: float, anew: Set[int]
) -> tuple[float, Listed]:
    """How much the entries look like references, and the entries without a tail that does not."""
    starts = _without_strangers(lines, starts)
    edges = [*starts[1:], stop]
    edges[-1] = min(stop, edges[-1], starts[-1] + MAX_ENTRY_LINES)  # what follows it is told later
    good = [_looks_like_one(lines, raw, start, edge) for start, edge in zip(starts, edges, strict=True)]
    edges[-1] = stop
    last = len(good)
    while last > 2 and not any(good[max(0, last - 3) : last]):
        last -= 1
    last = next((end for end in range(4, last) if not any(good[end - 4 : end])), last + 4) - 4 if last > 8 else last
    last = max(last, 2)
    if last > 4 and not good[last - 1] and sum(good[: last - 1]) >= 0.9 * (last - 1):
        last -= 1  # a note under the list
    kept = starts[:last]
    share = sum(good[:last]) / last
    # A name after a full stop inside an entry: two entries may have been taken for one.
    merged = sum(kept[0] <= index < edges[last - 1] for index in anew - set(kept))
    score = (2 * sum(good[:last]) - last - merged / 2) * (1 + trust)
    return score, Listed(kept, edges[last - 1], share)


def _without_strangers(lines: Sequence[Line], starts: tuple[int, ...]) -> tuple[int, ...]:
    """Without lines that begin no reference, in a list whose other entries begin with names."""
    starts = tuple(start for start in starts if CAPTION.match(lines[start].text) is None) or starts
    named = tuple(start for start in starts if _begins_with_name(lines[start].text))
    return named if len(named) >= MIN_NAMED * len(starts) and len(named) > 5 else starts


def _begins_with_name(text: str) -> bool:
    text = text[:MAX_NAME].lstrip()
    return _NAME.match(text) is not None or text[:1] in '“"—–-[' or _SAME_AUTHORS.match(text) is not None


def _looks_like_one(lines: Sequence[Line], raw: str, start: int, edge: int) -> bool:
    begin, end = lines[start].start, lines[edge - 1].end
    return (
        20 <= end - begin <= MAX_ENTRY and _has_year(lines, raw, start, edge) and _begins_with_name(lines[start].text)
    )
