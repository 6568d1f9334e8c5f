"""Beginnings of entries without markers: hanging indents, gaps between entries, or names after a full stop.

Guarantee: pure, a few passes over the section's lines; of the three ways to divide a section the one whose entries look
most like references wins. Limit: needs a heading; without places of lines only the third way is possible.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence, Set
from functools import cache
from itertools import pairwise
from typing import NamedTuple

from rpa_shard.reading.lines import Line
from rpa_shard.reading.references.by_marker import has_year
from rpa_shard.reading.references.names import INITIAL, LOOSE_ACCENT, PARTICLE, UPPER, WORD
from rpa_shard.reading.references.section import CAPTION, section_end

_MIN_INDENT_POINTS, _MAX_INDENT_POINTS = 4.0, 48.0
_SAME_INDENT_POINTS = 1.6
# A paragraph's last line is shorter than its column by at least this.
_MIN_SHORTFALL_POINTS = 8.0
# A gap between entries, as a multiple of the distance of lines.
_MIN_GAP_LEADINGS = 1.18
MIN_ENTRY_CHARACTERS, MAX_ENTRY_CHARACTERS, MAX_ENTRY_LINES = 20, 1500, 12
# The bonus of a division by places over one by words alone, as a share of its score.
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
    # Given name first: names of journals look like that, too.
    rf"(?P<spelled>{WORD}+(?: [{UPPER}]\.)?(?: {WORD}+){{1,2}}(?:,| and |\.)))"
)
# An entry of the same authors as the one before may begin with only a year.
_SAME_AUTHORS = re.compile(r"[_.\s]{0,12}\(?(?:1[6-9]|20)\d\d[a-z]?\)?[,.:]")
MAX_NAME_CHARACTERS = 200
MIN_NAMED_SHARE = 0.85
MIN_KEPT_SHARE = 0.6
_ENDS = re.compile(r"(?:[.\])”\"?!]|\d[a-z]?\.?|https?://\S+)\s*$")


class Listed(NamedTuple):
    """Entries: the indices of their first lines, where the last one ends, the share that looks like references."""

    starts: tuple[int, ...]
    stop: int
    share: float


def find_listed(lines: Sequence[Line], raw: str, heading: int, stop: int) -> Listed | None:
    """The entries of the section under the line `heading`, or None if nothing looks like a bibliography."""
    begin = heading + 1
    stop = section_end(lines, begin, stop)
    if stop - begin < 2:
        return None
    columns = _columns(lines, begin, stop)
    named = _name_starts(lines, begin, stop, columns)
    divisions = [(_with_years(lines, raw, (begin, *sorted(named - {begin})), stop), 0.0)]
    if all(line.size for line in lines[begin : min(begin + 5, stop)]):
        divisions += [
            (_by_indent(lines, begin, stop, columns), TRUST_IN_INDENTS),
            (_by_gaps(lines, begin, stop, columns, named), TRUST_IN_GAPS),
        ]
    # Most entries are in two divisions or in all three.
    has_name = cache(lambda index: _begins_with_name(lines[index].text))
    judged = [
        _judged(lines, raw, starts, stop, trust, named, has_name) for starts, trust in divisions if len(starts) >= 2
    ]
    best = max(judged, key=lambda each: (each.score, len(each.listed.starts)), default=None)
    return best.listed if best is not None else None


def _columns(lines: Sequence[Line], begin: int, stop: int) -> list[int]:
    """For each line of the section, the number of its column; columns are counted over pages."""
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
            if _MIN_INDENT_POINTS <= abs(step) <= _MAX_INDENT_POINTS:
                steps[abs(step)] += 1
    if not steps:
        return ()
    around = {step: count + steps[step - 1] + steps[step + 1] for step, count in steps.items()}
    indent = max(sorted(around), key=lambda step: around[step])
    edges = [(column, round(line.left)) for column, line in zip(columns, lines[begin:stop], strict=True)]
    balances = _balances(lines, begin, edges, indent)
    return tuple(
        index
        for index, edge in enumerate(edges, begin)
        if balances[edge] > 0 or (index == begin and balances[edge] == 0)
    )


def _balances(
    lines: Sequence[Line], begin: int, edges: Sequence[tuple[int, int]], indent: int
) -> dict[tuple[int, int], int]:
    """How much more often each left edge, by column and rounded position, was that of an entry's first line than of a
    further one; where its column does not decide, in all columns."""
    votes: Counter[tuple[int, int]] = Counter()
    for index, (before, edge) in enumerate(pairwise(edges), begin + 1):
        step = lines[index].left - lines[index - 1].left
        if edge[0] == before[0] and abs(abs(step) - indent) <= _SAME_INDENT_POINTS:
            first, further = (before, edge) if step > 0 else (edge, before)
            votes[first] += 1
            votes[further] -= 1
    everywhere: Counter[int] = Counter()
    for (_, left), vote in votes.items():
        everywhere[left] += vote
    return {
        (column, left): votes[column, left - 1] + votes[column, left] + votes[column, left + 1]
        or everywhere[left - 1] + everywhere[left] + everywhere[left + 1]
        for column, left in set(edges)
    }


def _by_gaps(lines: Sequence[Line], begin: int, stop: int, columns: Sequence[int], named: Set[int]) -> tuple[int, ...]:
    """Lines after a gap larger than that between two lines; at a column's top, those in `named`."""
    steps: Counter[float] = Counter()
    for index in range(begin + 1, stop):
        step = lines[index - 1].baseline - lines[index].baseline
        if columns[index - begin] == columns[index - begin - 1] and 4 < step < 40:
            steps[round(step * 2) / 2] += 1
    enough = 0.15 * sum(steps.values())
    leading = min((step for step, count in steps.items() if count >= enough), default=0.0)
    if not leading:
        return ()
    starts = [begin]
    for index in range(begin + 1, stop):
        if columns[index - begin] == columns[index - begin - 1]:
            if lines[index - 1].baseline - lines[index].baseline > _MIN_GAP_LEADINGS * leading:
                starts.append(index)
        elif index in named:
            starts.append(index)
    return tuple(starts)


def _name_starts(lines: Sequence[Line], begin: int, stop: int, columns: Sequence[int]) -> frozenset[int]:
    """Lines that begin with a name, after one that ends a sentence or is shorter than its column."""
    found = []
    edges = _right_edges(lines, begin, stop, columns)
    for index in range(begin + 1, stop):
        if _AUTHORS.match(lines[index].text, 0, MAX_NAME_CHARACTERS) is not None:
            before = lines[index - 1]
            is_short = before.right < edges[index - begin - 1] - _MIN_SHORTFALL_POINTS
            if is_short or _ENDS.search(before.text[-80:]) is not None:
                found.append(index)
    return frozenset(found)


def _right_edges(lines: Sequence[Line], begin: int, stop: int, columns: Sequence[int]) -> list[float]:
    """For each line of the section, where most lines of its column end; 0 if places are unknown."""
    rights: dict[int, list[float]] = {}
    for column, line in zip(columns, lines[begin:stop], strict=True):
        rights.setdefault(column, []).append(line.right)
    edges = {column: sorted(found)[len(found) // 2] for column, found in rights.items()}
    return [edges[column] for column in columns]


def _with_years(lines: Sequence[Line], raw: str, starts: tuple[int, ...], stop: int) -> tuple[int, ...]:
    """Without lines whose entry has no year, if most others have one: a journal's name looks like an author's."""
    edges = [*starts[1:], stop]
    kept = tuple(
        start
        for start, edge in zip(starts, edges, strict=True)
        if start == starts[0] or not _spelled_out(lines[start].text) or _has_year(lines, raw, start, edge)
    )
    return kept if len(kept) >= MIN_KEPT_SHARE * len(starts) else starts


def _spelled_out(text: str) -> bool:
    """Whether a line begins with a name whose given name is spelled out."""
    match = _AUTHORS.match(text, 0, MAX_NAME_CHARACTERS)
    return match is not None and match["spelled"] is not None


def _has_year(lines: Sequence[Line], raw: str, start: int, edge: int) -> bool:
    begin = lines[start].start
    return has_year(raw, begin, min(lines[edge - 1].end, begin + MAX_ENTRY_CHARACTERS))


class _Judged(NamedTuple):
    """A division of the section, and how much its entries look like references."""

    score: float
    listed: Listed


def _judged(
    lines: Sequence[Line],
    raw: str,
    starts: tuple[int, ...],
    stop: int,
    trust: float,
    named: Set[int],
    has_name: Callable[[int], bool],
) -> _Judged:
    """The division without a tail that does not look like references, and its score."""
    starts = _without_strangers(lines, starts, has_name)
    edges = [*starts[1:], min(stop, starts[-1] + MAX_ENTRY_LINES)]  # where the last one really ends is found later
    good = [
        has_name(start) and _looks_like_one(lines, raw, start, edge) for start, edge in zip(starts, edges, strict=True)
    ]
    edges[-1] = stop
    count = _count_without_tail(good)
    kept, end = starts[:count], edges[count - 1]
    # A name after a full stop inside an entry: two entries may have been taken for one.
    merged = sum(kept[0] <= index < end for index in named - set(kept))
    good_count = sum(good[:count])
    score = (2 * good_count - count - merged / 2) * (1 + trust)
    return _Judged(score, Listed(kept, end, good_count / count))


def _count_without_tail(good: Sequence[bool]) -> int:
    """How many entries come before the tail that does not look like references; `good` are those that do."""
    count = len(good)
    while count > 2 and not any(good[max(0, count - 3) : count]):
        count -= 1
    if count > 8:
        count = next((at for at in range(count - 4) if not any(good[at : at + 4])), count)
    count = max(count, 2)
    has_note = count > 4 and not good[count - 1] and sum(good[: count - 1]) >= 0.9 * (count - 1)
    return count - 1 if has_note else count


def _without_strangers(
    lines: Sequence[Line], starts: tuple[int, ...], has_name: Callable[[int], bool]
) -> tuple[int, ...]:
    """Without lines that begin no reference, in a list whose other entries begin with names."""
    starts = tuple(start for start in starts if CAPTION.match(lines[start].text) is None) or starts
    with_names = tuple(filter(has_name, starts))
    return with_names if len(with_names) >= MIN_NAMED_SHARE * len(starts) and len(with_names) > 5 else starts


def _begins_with_name(text: str) -> bool:
    text = text[:MAX_NAME_CHARACTERS].lstrip()
    return _NAME.match(text) is not None or text[:1] in '“"—–-[' or _SAME_AUTHORS.match(text) is not None


def _looks_like_one(lines: Sequence[Line], raw: str, start: int, edge: int) -> bool:
    """Whether an entry that begins with a name has a reference's length and a year."""
    characters = lines[edge - 1].end - lines[start].start
    return MIN_ENTRY_CHARACTERS <= characters <= MAX_ENTRY_CHARACTERS and _has_year(lines, raw, start, edge)
