"""Where a bibliography may begin and where it ends: its heading, and what follows it.

Guarantee: pure, one pass over the lines. Limit: headings in the languages of arXiv's papers: English, French, German,
Spanish, Portuguese, Italian.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from statistics import median

from rpa_shard.reading.lines import Line

MIN_HEADING_CHARACTERS, MAX_HEADING_CHARACTERS, MAX_NEXT_HEADING_CHARACTERS = len("Literatur"), 45, 90
_WORDS = (
    r"references(?: and (?:foot)?notes| cited)?|(?:foot)?notes and references|bibliography|bibliographical references|"
    r"selected bibliography|cited literature|literature(?: cited)?|works cited|list of references|"
    r"bibliographie|références(?: bibliographiques)?|literatur(?:verzeichnis)?|referencias|referências|"
    r"bibliografía|bibliografia|riferimenti(?: bibliografici)?|"
    r"r[ ]?e[ ]?f[ ]?e[ ]?r[ ]?e[ ]?n[ ]?c[ ]?e[ ]?s"
)
_NUMBER = r"(?:(?:\d{1,2}|[IVX]{1,5}|[A-Z])[.)]?[ \t]{0,4}|[§■•*_=–—-]{1,3}[ \t]{0,3})?"
HEADING = re.compile(rf"[ \t]*{_NUMBER}(?=[bcflnrsw])(?:{_WORDS})[ \t]*[.:]?[ \t]*", re.IGNORECASE)
_AFTER = re.compile(
    r"[ \t]*(?:(?:\d{1,2}|[IVX]{1,5}|[A-Z])[.)]?[ \t]{1,4})?(?:"
    r"(?:online |technical |web )?append(?:ix|ices)\b.{0,80}|"
    r"(?:supplement(?:ary|al)?|supporting)\b[ \t]*(?:materials?|information|notes?|methods|text|data|figures?)?.{0,40}|"
    r"acknowledge?ments?[ \t]*[.:]?.{0,20}|(?:full )?author list.{0,30}|the [a-z]+ collaboration|"
    r"author contributions?.{0,30}|authors?[’'] ?addresses|about the authors?|biograph(?:y|ies)|"
    r"(?:neurips )?(?:paper )?checklist|reproducibility checklist|list of (?:figures|tables)|index|glossary|"
    r"figure captions?|tables?|figures?|contents)[ \t]*[.:]?[ \t]*",
    re.IGNORECASE,
)
CAPTION = re.compile(
    r"[ \t]*(?:table|figure|fig\.?|algorithm|listing)[ \t]{0,2}(?:[A-Z]\.?)?\d{1,3}[ \t]{0,2}[.:|]", re.IGNORECASE
)
_LETTERED = re.compile(r"[A-Z](?:\.\d{1,2})*\.?[ \t]{1,4}[A-Z][A-Za-z’'()&-]+(?:[ \t:,]+[A-Za-z’'()&-]+){0,9}")


def headings(lines: Sequence[Line]) -> list[int]:
    """The indices of lines that are only a bibliography's heading."""
    match = HEADING.fullmatch
    return [
        index
        for index, line in enumerate(lines)
        if MIN_HEADING_CHARACTERS <= len(line.text) <= MAX_HEADING_CHARACTERS and match(line.text)
    ]


def section_end(lines: Sequence[Line], start: int, stop: int) -> int:
    """Where the section that begins at `start` ends, at the latest at `stop`."""
    body = lines[start : min(start + 40, stop)]
    size = median([line.size for line in body]) if body else 0.0
    for index in range(start + 1, stop):
        if ends_section(lines, index, size):
            return index
    return stop


def ends_section(lines: Sequence[Line], index: int, size: float) -> bool:
    """Whether another part of the paper begins with this line; `size` is that of the bibliography's letters."""
    line = lines[index]
    text = line.text
    if len(text) > MAX_NEXT_HEADING_CHARACTERS:
        return False
    if (not size or text.lstrip()[:1].isupper()) and _AFTER.fullmatch(text):
        return _stands_alone(lines, index)
    if not size or not line.size:
        return False
    if line.size > 1.12 * size and HEADING.fullmatch(text):
        return True
    return line.size > 1.12 * size and _LETTERED.fullmatch(text) is not None and len(text) > 6


def _stands_alone(lines: Sequence[Line], index: int) -> bool:
    """Whether the line before it ends a sentence: inside an entry, too, a line may begin with Index or Tables."""
    before = lines[index - 1].text.rstrip() if index else "."
    return before[-1:] in '.])”"' or before[-1:].isdigit() or lines[index].page != lines[index - 1].page
