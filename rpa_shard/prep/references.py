"""The bibliography of a document: the one replaceable function that finds it.

Guarantee: pure; entries are whole, on one line, in order, without page marks; time is linear in the length of the text
whatever it holds. Limit: the first rule only: entries numbered `[n]`, `n.` or `(n)` at the start of a line, after a
heading or in the last part of the text; author-year lists have no such marks, and give nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rpa_shard.prep.document import Document, Reference

_HEADING = re.compile(
    r"^[ \t]*(?:(?:\d{1,2}|[IVX]{1,5}|[A-Z])\.?[ \t]{1,4})?"
    r"(?:references(?: and notes)?|bibliography|literature(?: cited)?|works cited|"
    r"r[ ]?e[ ]?f[ ]?e[ ]?r[ ]?e[ ]?n[ ]?c[ ]?e[ ]?s)[ \t]*[.:]?[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
_STYLES = tuple(
    re.compile(mark, re.MULTILINE)
    for mark in (r"^[ \t]*\[(\d{1,4})\][ \t]*", r"^[ \t]*(\d{1,4})\.[ \t]+", r"^[ \t]*\((\d{1,4})\)[ \t]*")
)
_BRACKETS = _STYLES[0]
# Without a heading, only what begins this late in the text can be the list.
LAST_PART = 0.4
# A gap in the numbers of an ascending run: a marker that the engine lost.
LARGEST_GAP = 2
LONGEST_ENTRY_CHARACTERS = 2000
_HYPHEN_BREAK = re.compile(r"(\w)-\n(?=[a-z])")


def find_references(document: Document) -> tuple[Reference, ...]:
    """The entries of the document's bibliography."""
    text = "\n".join(document.pages)
    entries: Sequence[str] = ()
    for heading in _HEADING.finditer(text):
        found = _numbered_entries(text, heading.end(), _STYLES)
        entries = found if len(found) >= max(len(entries), 1) else entries
    if not entries:
        entries = _numbered_entries(text, int(len(text) * LAST_PART), (_BRACKETS,))
    return tuple(Reference(ordinal, raw) for ordinal, raw in enumerate(entries, 1))


def _numbered_entries(text: str, start: int, styles: Sequence[re.Pattern[str]]) -> list[str]:
    """The entries of the longest ascending run of markers after `start`."""
    runs = (_longest_run(list(style.finditer(text, start))) for style in styles)
    run = max(runs, key=len)
    if len(run) < 2:
        return []
    ends = [marker.start() for marker in run[1:]] + [min(len(text), run[-1].end() + LONGEST_ENTRY_CHARACTERS)]
    entries = [text[marker.end() : end] for marker, end in zip(run, ends, strict=True)]
    entries[-1] = _first_paragraph(entries[-1])
    return [_one_line(entry[:LONGEST_ENTRY_CHARACTERS]) for entry in entries]


def _longest_run(markers: list[re.Match[str]]) -> list[re.Match[str]]:
    return max(_runs(markers), key=len, default=[])


def _runs(markers: list[re.Match[str]]) -> Iterator[list[re.Match[str]]]:
    """Each run that begins at 1 and goes up, over small gaps; other numbers in between are passed over."""
    run: list[re.Match[str]] = []
    for marker in markers:
        number = int(marker[1])
        if number == 1:
            yield run
            run = [marker]
        elif run and int(run[-1][1]) < number <= int(run[-1][1]) + LARGEST_GAP:
            run.append(marker)
    yield run


def _first_paragraph(entry: str) -> str:
    return re.split(r"\n[ \t]*\n", entry.lstrip(), maxsplit=1)[0]


def _one_line(entry: str) -> str:
    return " ".join(_HYPHEN_BREAK.sub(r"\1", entry).split())
