"""The text for reading and for models: paragraphs on one line each, without what repeats on every page.

Guarantee: pure and deterministic: made of the raw text and of the `layout` of the record alone, so it need not be
stored; cleaning a clean text changes nothing; `page_offsets` say where each page's text lies in it. Limit: lines stay
in the engine's order; formulas stay as they came.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rpa_shard.reading.joining import MAX_TOKEN, Words, joint
from rpa_shard.reading.spelling import spell

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class TextLayout:
    """What is known of the raw text's form: spans that are no part of the text, and where paragraphs begin.

    Offsets are characters of the raw text, ascending.
    """

    furniture: tuple[Span, ...] = ()
    paragraphs: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class CleanText:
    """The text, and for each page where in it the page begins and ends."""

    text: str
    page_offsets: tuple[Span, ...]


def clean_text(raw: str, page_offsets: Sequence[Span], layout: TextLayout) -> CleanText:
    """Makes the clean text of a raw one."""
    writer = _Writer(raw)
    paragraphs, furniture = layout.paragraphs, layout.furniture
    cut = 0
    begins: list[int] = []
    for start, end in page_offsets:
        begins.append(writer.length)
        at = start
        for line in raw[start:end].split("\n"):
            stop = at + len(line)
            while cut < len(furniture) and furniture[cut][1] <= at:
                cut += 1
            kept = _without(line, at, stop, furniture, cut)
            if kept and not kept.isspace():
                where = bisect_left(paragraphs, at)
                writer.add(kept, anew=where < len(paragraphs) and paragraphs[where] < stop)
            at = stop + 1
    text = writer.text()
    ends = [*begins[1:], len(text)]
    return CleanText(
        text, tuple((min(begin, len(text)), min(end, len(text))) for begin, end in zip(begins, ends, strict=True))
    )


def _without(line: str, start: int, stop: int, furniture: Sequence[Span], cut: int) -> str:
    """The line without the parts of it that are furniture."""
    parts: list[str] = []
    at = start
    while cut < len(furniture) and furniture[cut][0] < stop:
        begin, end = furniture[cut]
        parts.append(line[at - start : max(begin - start, at - start)])
        at = max(at, min(end, stop))
        cut += 1
    return "".join(parts) + line[at - start :] if parts else line


class _Writer:
    """Paragraphs, written line by line."""

    def __init__(self, raw: str) -> None:
        self._words = Words(raw)
        self._parts: list[str] = []
        self._tail = ""
        self.length = 0

    def add(self, line: str, *, anew: bool) -> None:
        line = line.rstrip()
        line = spell(line[:-1] + "-" if line.endswith("\u00ad") else line).strip()
        if not line:
            return
        between_is_none = False
        if anew or not self._tail:
            if self._parts:
                self._write("\n\n")
            self._tail = ""
        else:
            between, hyphen_goes = joint(self._tail, line, self._words)
            if hyphen_goes:
                self._parts[-1] = self._parts[-1][:-1]
                self.length -= 1
            edge = self._parts[-1][-2:] + line[:2]
            if not between and spell(edge) != edge:
                between = " "  # two lines must not make a letter that neither has
            self._write(between)
            between_is_none = not between and not hyphen_goes
        self._write(line)
        # The end of what is written decides about the next joint.
        self._tail = (self._tail + line)[-MAX_TOKEN:] if between_is_none else line[-MAX_TOKEN:]

    def text(self) -> str:
        return "".join(self._parts) + ("\n" if self._parts else "")

    def _write(self, text: str) -> None:
        if text:
            self._parts.append(text)
            self.length += len(text)


def clean_of_record(text: str, record: Mapping[str, Any]) -> CleanText:
    """The clean text of a paper whose raw text and record are given. Raises KeyError for records without a layout."""
    layout = record["layout"] or {"furniture": [], "paragraphs": []}
    return clean_text(
        text,
        [(begin, end) for begin, end in record["page_offsets"]],
        TextLayout(tuple((begin, end) for begin, end in layout["furniture"]), tuple(layout["paragraphs"])),
    )
