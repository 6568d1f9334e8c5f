"""References printed in footnotes, in papers that have no bibliography.

Guarantee: pure, one pass over the lines; a footnote is in smaller letters at the foot of a column, and its number
follows that of the one before it, or is the first on its page. Only footnotes that name a year after an author or a
volume, an arXiv id, a DOI or a URL are references. Limit: numbered footnotes, on pages with places of lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rpa_shard.reading.lines import Line, usual_size
from rpa_shard.reading.references.names import LOOSE_ACCENT, PARTICLE, UPPER, WORD

# Letters of footnotes are smaller than this share of the text's.
_MAX_SIZE = 0.95
# How far a number may be from the one before it: an engine may lose some.
_MAX_STEP = 2
# A paper has references in its footnotes if so many of them are references.
MIN_REFERENCES, MIN_SHARE = 3, 0.25
_MAX_LINES = 40
_NUMBER = re.compile(r"[ \t]*[\[(]?(\d{1,3})[\])]?\.?(?=[ \t]|[^\W\d_]|[“\"‘'(\[]|$)[ \t]*")
_YEAR = re.compile(r"(?<!\d)(?:1[5-9]|20)\d\d(?!\d)")
_IDENTIFIER = re.compile(r"https?://|www\.|\b10\.\d{4,9}/|arxiv|\bdoi\b|[a-z-]{2,9}/\d{7}\b", re.IGNORECASE)
# Names at the beginning, after words such as `See also`, or a volume and pages somewhere.
_AUTHOR = re.compile(
    r"(?i:(?:see|cf\.?|compare|e\.g\.,?|also|but|for example|generally|accord|and|,)\s+){0,4}"
    rf"{LOOSE_ACCENT}{PARTICLE}(?:[{UPPER}]\.[ -]?){{0,4}}{PARTICLE}{WORD}+[^.!?]{{0,80}}?(?:,|\.|and|&|\()"
)
_VOLUME = re.compile(
    r"\bpp?\.\s?\d|\b[Vv]ol\.|\b[Nn]o\.\s?\d|\beds?\.|\bedn\.|\d\s?\(\d+\)|\d:\s?\d|\b\d{1,4}, \d|\b\d+ [A-Z]"
)


class Footnote(NamedTuple):
    """A footnote: its number and its lines."""

    number: int
    lines: list[Line]

    @property
    def is_reference(self) -> bool:
        text = " ".join(line.text for line in self.lines)
        if _IDENTIFIER.search(text):
            return True
        body = _NUMBER.sub("", text, count=1)
        return _YEAR.search(body) is not None and (_VOLUME.search(body) or _AUTHOR.match(body)) is not None


def marker_length(text: str) -> int:
    """How many characters of a footnote's text its number takes."""
    match = _NUMBER.match(text)
    return match.end() if match is not None else 0


def find_footnotes(lines: Sequence[Line]) -> list[Footnote]:
    """The footnotes that are references, if the paper has enough of them; in order."""
    notes = list(_footnotes(lines))
    found = [note for note in notes if note.is_reference]
    return found if len(found) >= max(MIN_REFERENCES, MIN_SHARE * len(notes)) else []


def _footnotes(lines: Sequence[Line]) -> Iterator[Footnote]:
    note: Footnote | None = None
    page = 0
    for block in _blocks(lines):
        for line in block:
            match = _NUMBER.match(line.text)
            number = int(match[1]) if match is not None else 0
            last = note.number if note is not None else 0
            if last < number <= last + _MAX_STEP or (number == 1 and line.page != page):
                if note is not None:
                    yield note
                note, page = Footnote(number, [line]), line.page
            elif note is not None and len(note.lines) < _MAX_LINES:
                note.lines.append(line)
    if note is not None:
        yield note


def _blocks(lines: Sequence[Line]) -> Iterator[list[Line]]:
    """The lines in smaller letters that end a column or a page, column by column."""
    limit = _MAX_SIZE * usual_size(lines)
    block: list[Line] = []
    for line in lines:
        before = block[-1] if block else None
        if before is not None and (line.page != before.page or line.baseline > before.baseline + 2 * before.size):
            yield block
            block = []
        if 0.0 < line.size < limit:
            block.append(line)
        else:
            block = []  # above the text, not at the foot
    if block:
        yield block
