"""Notes in the way of a sentence: footnotes and captions that come between two lines of one paragraph.

Guarantee: pure; a note is moved only if the places and the words agree: the line before it is a full one of the text
and ends no sentence, the line after it goes on with it, and between them are only smaller letters at the foot, or a
figure or table with its caption. It comes out as a paragraph of its own after the paragraph that it was in; if that
ends on a later page, before it; if that begins on an earlier page, too, after it. Limit: lines without places; notes
of more than `MAX_LINES` lines.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence, Set
from itertools import groupby
from typing import NamedTuple

from rpa_shard.reading.joining import HYPHENS
from rpa_shard.reading.lines import Line, on_page, usual_size
from rpa_shard.reading.paragraphs import is_closed, paragraph_starts

Span = tuple[int, int]

MAX_LINES = 80
# A note's letters are smaller than this share of the text's; those of the text differ by less than the other.
_MAX_NOTE_SIZE, _SAME_SIZE = 0.95, 0.06
# A line of the text: its characters, and how much of its paragraph's width it fills.
_MIN_CHARACTERS, _MIN_FULL_SHARE = 20, 0.8
_MIN_LETTERS_SHARE = 0.6
_USUAL_SIZE = 0.1
_SAME_LEFT_POINTS = 4.0
_MAX_LINE_HEIGHTS = 1.7
_CAPTION = re.compile(
    r"[ \t]*(?:Figure|FIGURE|Fig\.?|FIG\.?|Table|TABLE|Algorithm|ALGORITHM|Listing|Scheme|Plate)[ \t]{0,2}"
    r"(?:[A-Z]\.?)?(?:\d{1,3}|[IVX]{1,5})(?:\.\d{1,2})?(?:[ \t]*[.:|–—-]|[ \t]+[A-Z(]|[ \t]*$)"
)
_CAPTION_FIRST = frozenset(" \tFTALSP")
_MARK = re.compile(r"[ \t]*(?:\(?\d{1,3}[).]?|[*∗†‡§¶⋆#]{1,3}|\\?\$\S{1,12}|[a-z](?=[ \t]?[A-Z]))")
# After these words, and after a comma, a sentence goes on whatever follows.
_OPEN = frozenset(
    "a an the of in on at by for from to with and or as is are was were be been that which than this these those "
    "its their our we it into over under between through via per see eq eqs fig sec section figure table".split()
)


class Note(NamedTuple):
    """The lines from `start` up to `end`, by index, which stand in the way; on one page."""

    start: int
    end: int


class Paragraphs(NamedTuple):
    """Where paragraphs begin, by offset; the order of the lines of those pages on which notes were moved."""

    starts: list[int]
    order: tuple[Span, ...]


def paragraphs_without_notes(lines: Sequence[Line], known: Set[int], in_notes: Set[int] = frozenset()) -> Paragraphs:
    """The paragraphs of the text, notes in the way of a sentence moved out of it.

    `known` as in `paragraph_starts`: where one begins that is no note; `in_notes`: where one begins in a note.
    """
    breaks: list[int] = []
    starts = paragraph_starts(lines, known, breaks=breaks)
    notes = list(_notes(lines, breaks, known))
    if not notes:
        return Paragraphs(sorted({*starts, *in_notes}) if in_notes else starts, ())
    begun = {*starts, *in_notes} - {lines[note.end].start for note in notes}
    begun.update(lines[note.start].start for note in notes)
    return Paragraphs(sorted(begun), _moved(lines, notes, begun))


def _notes(lines: Sequence[Line], breaks: Iterable[int], known: Set[int]) -> Iterator[Note]:
    """The notes that come after one of `breaks`: offsets of lines after a break in a sentence."""
    done = 0
    size = usual_size(lines)
    smallest, largest = (1 - _USUAL_SIZE) * size, (1 + _USUAL_SIZE) * size
    offsets = [line[0] for line in lines]
    for offset in breaks:
        index = bisect_left(offsets, offset)
        before = lines[index - 1]
        _, _, before_text, _, before_left, _, before_right, before_size = before
        if index < done or not smallest <= before_size <= largest or len(before_text) < _MIN_CHARACTERS:
            continue
        _, _, text, _, left, _, right, line_size = lines[index]
        if line_size == before_size and text[0].islower() and right - left > 0.9 * (before_right - before_left):
            continue  # the usual case: it goes on in the next column
        if not _is_full(lines, index - 1):
            continue
        while index < len(lines) and _is_level(before, lines[index]):
            index += 1  # an index, or another raised or lowered piece of the line
        end = _end_of_notes(lines, index, before, known)
        if end > index:
            done = end
            for _, numbers in groupby(range(index, end), key=lambda number: lines[number].page):
                group = list(numbers)
                yield Note(group[0], group[-1] + 1)


def _is_level(before: Line, line: Line) -> bool:
    """Whether a line is a piece of the one before it, on its right."""
    return (
        line.page == before.page
        and abs(line.baseline - before.baseline) < 0.7 * before.size
        and before.right - 2.0 < line.left < before.right + 3 * before.size
    )


def _is_full(lines: Sequence[Line], index: int) -> bool:
    """Whether a line is one of words that fills its column."""
    line = lines[index]
    if len(line.text) < _MIN_CHARACTERS or line.right - line.left < _MIN_FULL_SHARE * _width(lines, index):
        return False
    return not _is_caption(line.text) and _is_of_words(line.text)


def _is_caption(text: str) -> bool:
    return text[0] in _CAPTION_FIRST and _CAPTION.match(text) is not None


def _is_of_words(text: str) -> bool:
    return sum(map(str.isalpha, text)) + text.count(" ") >= _MIN_LETTERS_SHARE * len(text)


def _end_of_notes(lines: Sequence[Line], index: int, before: Line, known: Set[int]) -> int:
    """The index of the line that goes on with the sentence of `before`; `index` if there is none, or no note."""
    width = before.right - before.left
    last_page = before.page + 1
    in_caption = False
    above = before
    for at in range(index, min(index + MAX_LINES, len(lines))):
        line = lines[at]
        start, _, text, page, left, _, right, size = line
        if page > last_page or start in known or not size:
            return index
        follows = _follows(above, line)
        ended_caption = in_caption and not follows
        in_caption = (in_caption and follows) or _is_caption(text)
        if not in_caption and abs(size - before.size) <= _SAME_SIZE * before.size:
            if not follows and _goes_on(before.text, text) and _is_line_of_text(lines, at, before, width):
                is_complete = ended_caption or _is_complete(above, width)
                return at if at > index and is_complete and _are_notes(lines, index, at) else index
            if right - left >= _MIN_FULL_SHARE * width and _is_of_words(text):
                return index  # another paragraph
        above = line
    return index


def _follows(above: Line, line: Line) -> bool:
    """Whether a line is the next one below another."""
    return above.page == line.page and -1.0 < above.baseline - line.baseline < _MAX_LINE_HEIGHTS * line.size


def _width(lines: Sequence[Line], index: int) -> float:
    """The width of the column that a line is in: that of the widest line of a few above it."""
    _, _, _, page, left, _, right, _ = lines[index]
    widest = right - left
    for _, _, _, other_page, other_left, _, other_right, _ in lines[max(index - 4, 0) : index]:
        if other_right - other_left > widest and other_page == page and abs(other_left - left) < 40.0:
            widest = other_right - other_left
    return widest


def _goes_on(before: str, after: str) -> bool:
    after = after.lstrip()
    if after[:1].islower():
        return True
    may_be_note = not after[:1].isalpha() or _is_caption(after)
    return not may_be_note and before.rstrip()[-1:] not in HYPHENS and _is_open(before)


def _is_open(text: str) -> bool:
    """Whether a sentence goes on after a line, whatever follows."""
    text = text.rstrip()
    return text[-1:] in HYPHENS + "," or text[text.rfind(" ") + 1 :].lower() in _OPEN


def _is_line_of_text(lines: Sequence[Line], at: int, before: Line, width: float) -> bool:
    """Whether a line is in a column of the text, and continues nothing but the sentence in question."""
    line = lines[at]
    is_level = abs(line.left - before.left) <= _SAME_LEFT_POINTS
    if not is_level and line.page == before.page and line.left < before.right:
        return False
    is_full = line.right - line.left >= _MIN_FULL_SHARE * width or is_closed(line)
    below = lines[at + 1] if at + 1 < len(lines) else None
    goes_on = below is not None and abs(below.left - line.left) <= _SAME_LEFT_POINTS and _follows(line, below)
    if goes_on or not line.text.lstrip()[:1].islower():
        return is_full and goes_on  # without a small letter at its beginning it may be a heading
    is_on_top = line.page > before.page or line.baseline > before.baseline
    return is_full and (is_level or (is_on_top and is_closed(line)))


def _is_complete(last: Line, width: float) -> bool:
    """Whether the last line of notes is not one of a text that goes on."""
    return is_closed(last) or not _is_of_words(last.text) or last.right - last.left < _MIN_FULL_SHARE * width


def _are_notes(lines: Sequence[Line], start: int, end: int) -> bool:
    """Whether the lines between two of a sentence are notes, on each page, and do not go on with the second."""
    before, after = lines[start - 1], lines[end]
    last = lines[end - 1].text
    if len(last) >= _MIN_CHARACTERS and _is_open(last):
        return False
    for page, group in groupby(lines[start:end], key=lambda line: line.page):
        found = list(group)
        if any(_is_caption(line.text) for line in found):
            continue
        if any(line.size > _MAX_NOTE_SIZE * before.size for line in found):
            return False
        has_mark = _MARK.match(found[0].text) is not None
        if page == before.page and page == after.page and before.left == after.left:
            return False  # smaller letters between lines of one column
        edge = before if page == before.page else after
        is_at_foot = all(line.baseline < edge.baseline for line in found)
        is_apart = page == before.page and before.baseline - found[0].baseline > 1.2 * before.size
        if not is_at_foot or not (has_mark or is_apart):
            return False
    return True


def _moved(lines: Sequence[Line], notes: Sequence[Note], begun: Set[int]) -> tuple[Span, ...]:
    """The order of the lines of each page that a note leaves or comes to."""
    inside = {index for note in notes for index in range(note.start, note.end)}
    ahead: dict[int, list[Span]] = {}
    behind: dict[int, list[Span]] = {}
    pages: set[int] = set()
    for note in notes:
        page = lines[note.start].page
        first = note.start - 1
        while first > 0 and (first in inside or lines[first].start not in begun):
            first -= 1
        after = note.end
        while after < len(lines) and (after in inside or lines[after].start not in begun):
            after += 1
        last = next(index for index in range(after - 1, -1, -1) if index not in inside)
        goes_ahead = lines[first].page == page != lines[last].page
        place = ahead.setdefault(first, []) if goes_ahead else behind.setdefault(last, [])
        place.append((lines[note.start].start, lines[note.end - 1].end))
        pages.update((page, page if goes_ahead else lines[last].page))
    spans: list[Span] = []
    for page in sorted(pages):
        is_new = True
        for index in on_page(lines, page):
            if index in inside:
                is_new = True
                continue
            spans += ahead.get(index, ())
            if is_new or index in ahead:
                spans.append((lines[index].start, lines[index].end))
            else:
                spans[-1] = spans[-1][0], lines[index].end
            spans += behind.get(index, ())
            is_new = index in behind
    return tuple(spans)
