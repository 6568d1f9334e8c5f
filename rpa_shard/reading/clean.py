"""The text for reading and for models: paragraphs on one line each, without what repeats on every page.

Guarantee: pure and deterministic: made from only the raw text and the record's `layout`, so it need not be stored;
cleaning a clean text changes nothing; `page_offsets` give where each page's text lies in it. Limit: lines stay in the
engine's order but where the layout says otherwise, formulas as the engine gave them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rpa_shard.reading.joining import MAX_TOKEN_CHARACTERS, Words, joint
from rpa_shard.reading.spelling import spell

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class TextLayout:
    """The layout of the raw text: spans that are furniture, and where paragraphs begin.

    Offsets are characters of the raw text, ascending. `order` has all lines of the pages that are read in another
    order than their own, as spans in the order of reading, page by page; a span may be of several lines, or of a part
    of one. A span of an earlier page among those of a later one is a note that was moved there.
    """

    furniture: tuple[Span, ...] = ()
    paragraphs: tuple[int, ...] = ()
    order: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class CleanText:
    """The text, and where each page begins and ends in it."""

    text: str
    page_offsets: tuple[Span, ...]


def clean_text(raw: str, page_offsets: Sequence[Span], layout: TextLayout) -> CleanText:
    """Makes the clean text from the raw text."""
    writer = _Writer(raw)
    paragraphs, furniture, order = layout.paragraphs, layout.furniture, layout.order
    placed = 0
    cut = 0
    begins: list[int] = []
    for page in page_offsets:
        begins.append(writer.length)
        spans: Sequence[Span] = (page,)
        if placed < len(order) and order[placed][0] < page[1]:
            first = placed
            while placed < len(order) and order[placed][0] < page[1]:
                placed += 1
            spans = order[first:placed]
        for start, end in spans:
            at = start
            # Before the span: one or two that reach into it.
            cut = max(bisect_left(furniture, (start, start)) - 2, 0)
            for line in raw[start:end].split("\n"):
                stop = at + len(line)
                while cut < len(furniture) and furniture[cut][1] <= at:
                    cut += 1
                kept = _without(line, at, stop, furniture, cut)
                if kept and not kept.isspace():
                    next_paragraph = bisect_left(paragraphs, at)
                    begins_here = next_paragraph < len(paragraphs) and paragraphs[next_paragraph] < stop
                    writer.add(kept, is_new_paragraph=begins_here)
                at = stop + 1
    text = writer.text()
    ends = [*begins[1:], len(text)]
    return CleanText(
        text, tuple((min(begin, len(text)), min(end, len(text))) for begin, end in zip(begins, ends, strict=True))
    )


def _without(line: str, start: int, stop: int, furniture: Sequence[Span], cut: int) -> str:
    """The line without its parts that are furniture."""
    parts: list[str] = []
    at = start
    while cut < len(furniture) and furniture[cut][0] < stop:
        begin, end = furniture[cut]
        parts.append(line[at - start : max(begin - start, at - start)])
        at = max(at, min(end, stop))
        cut += 1
    return "".join(parts) + line[at - start :] if parts else line


class _Writer:
    """Builds paragraphs line by line."""

    def __init__(self, raw: str) -> None:
        self._words = Words(raw)
        self._parts: list[str] = []
        self._tail = ""
        self.length = 0

    def add(self, line: str, *, is_new_paragraph: bool) -> None:
        line = line.rstrip()
        line = spell(line[:-1] + "-" if line.endswith("\u00ad") else line).strip()
        if not line:
            return
        is_same_token = False
        if is_new_paragraph or not self._tail:
            if self._parts:
                self._write("\n\n")
            self._tail = ""
        else:
            between, drops_hyphen = joint(self._tail, line, self._words)
            if drops_hyphen:
                self._parts[-1] = self._parts[-1][:-1]
                self.length -= 1
            edge = self._parts[-1][-2:] + line[:2]
            if not between and spell(edge) != edge:
                between = " "  # joined, the two edges would merge into another letter
            self._write(between)
            is_same_token = not between and not drops_hyphen
        self._write(line)
        # The end of the text so far decides how the next line is joined to it.
        self._tail = (self._tail + line if is_same_token else line)[-MAX_TOKEN_CHARACTERS:]

    def text(self) -> str:
        return "".join(self._parts) + ("\n" if self._parts else "")

    def _write(self, text: str) -> None:
        if text:
            self._parts.append(text)
            self.length += len(text)


def clean_of_record(text: str, record: Mapping[str, Any]) -> CleanText:
    """The clean text of a paper from its raw text and record. Raises KeyError for records without a layout."""
    layout = record["layout"] or {"furniture": [], "paragraphs": []}
    return clean_text(
        text,
        _spans(record["page_offsets"]),
        TextLayout(_spans(layout["furniture"]), tuple(layout["paragraphs"]), _spans(layout.get("order", ()))),
    )


def _spans(content: Iterable[Sequence[int]]) -> tuple[Span, ...]:
    return tuple((begin, end) for begin, end in content)
