"""The headings of a paper and its abstract, where they can be recognised.

Guarantee: pure; a heading is a line of its own: a known word (Abstract, Introduction, …), or a number of a chain that
begins at 1 (or I) and leaves none out, in letters no smaller than the text's. Offsets point into the raw text. Limit:
unnumbered headings in other words are not recognised; nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rpa_shard.reading.joining import join_lines
from rpa_shard.reading.lines import Line, usual_size
from rpa_shard.reading.references.section import HEADING as REFERENCES_HEADING
from rpa_shard.reading.roman import roman_value

MAX_HEADING_CHARACTERS, MAX_KNOWN_HEADING_CHARACTERS = 120, 45
MAX_ABSTRACT_LINES = 80
MIN_ABSTRACT_CHARACTERS, MAX_ABSTRACT_CHARACTERS = 50, 6000
MAX_HEADINGS = 1000
_KNOWN = re.compile(
    r"(?:abstract|a b s t r a c t|summary|introduction|background|related works?|preliminaries|methods?|methodology|"
    r"materials and methods|experiments?|experimental (?:setup|results)|results?|results and discussion|discussion|"
    r"evaluation|limitations|future work|conclusions?|conclusions? and (?:outlook|future work)|"
    r"discussion and conclusions?|concluding remarks|summary and (?:conclusions?|outlook)|outlook|"
    r"acknowledge?ments?|appendix|appendices|supplementary materials?|ethics statement|broader impact|"
    r"data availability|author contributions?|funding|keywords)",
    re.IGNORECASE,
)
_NUMBERED = re.compile(r"[ \t]*(?:§ ?)?(\d{1,2}(?:\.\d{1,2}){0,3}|[IVX]{1,5})[.:)]?[ \t]{1,6}([A-Z][^\t]{1,110})")
_RUN_IN = re.compile(r"[ \t]*(abstract|summary)\b[ \t]*[.:—–-]{0,2}[ \t]*(?=[A-Z])", re.IGNORECASE)
_AFTER_ABSTRACT = re.compile(
    r"[ \t]*(?:(?:1|I)\.?[ \t]+)?(?:introduction\b|key ?words\b|index terms|ccs concepts|categories and subject|"
    r"general terms|pacs\b|msc\b|contents\b|\d{4} mathematics subject|mathematics subject|subject class|"
    r"acm reference format)",
    re.IGNORECASE,
)
_NUMBER_FIRST = frozenset("0123456789IVX§")
# What a heading may begin with: a cheap test that most lines fail.
_FIRST = _NUMBER_FIRST | frozenset(" \tABCDEFGHIJKLMNOPQRSTUVWXYZÀÉ■•*")


@dataclass(frozen=True, slots=True)
class Section:
    """A heading: its words on one line, its number if it has one, its page, and its offsets in the raw text."""

    title: str
    number: str | None
    page: int
    start: int
    end: int


def _is_known(words: str) -> bool:
    return _KNOWN.fullmatch(words) is not None or REFERENCES_HEADING.fullmatch(words) is not None


class _Candidate(NamedTuple):
    """A line that may be a numbered heading."""

    line: Line
    steps: tuple[int, ...]
    roman: bool
    title: str


def find_sections(lines: Sequence[Line], stop: int) -> tuple[Section, ...]:
    """The headings in the order of the text; numbered ones only before `stop`, the bibliography's offset."""
    size = usual_size(lines)
    found: list[Section] = []
    candidates: list[_Candidate] = []
    min_size = 0.9 * size
    for line in lines:
        text = line.text
        if text[0] not in _FIRST or len(text) > MAX_HEADING_CHARACTERS or 0.0 < line.size < min_size:
            continue
        words = text.strip()
        if words[0] in _NUMBER_FIRST:
            match = _NUMBERED.fullmatch(text)
            if match is not None and line.start < stop and _may_be_title(match[2]):
                candidates.append(_Candidate(line, _steps(match[1]), not match[1][0].isdigit(), match[2].strip()))
                continue
        if len(text) < MAX_KNOWN_HEADING_CHARACTERS and words[0].isupper() and _is_known(words):
            found.append(Section(words, None, line.page, line.start, line.end))
    found += _chain(candidates, size)
    return tuple(sorted(found, key=lambda each: each.start)[:MAX_HEADINGS])


def _may_be_title(text: str) -> bool:
    text = text.rstrip()
    return text[-1:] not in ".,;:=" and sum(map(str.isalpha, text)) + text.count(" ") >= 0.75 * len(text)


def _steps(number: str) -> tuple[int, ...]:
    if number[0].isdigit():
        return tuple(int(part) for part in number.split("."))
    return (roman_value(number),)


def _chain(candidates: Sequence[_Candidate], size: float) -> list[Section]:
    """The candidates whose numbers follow one another from 1, of one kind; those in larger letters are preferred."""
    larger = [each for each in candidates if size and each.line.size > 1.06 * size]
    for chosen in (larger, candidates):
        chains = [_followed([each for each in chosen if each.roman is roman]) for roman in (False, True)]
        chain = max(chains, key=len)
        if sum(len(each.steps) == 1 for each in chain) >= 2:
            return [
                Section(each.title, ".".join(map(str, each.steps)), each.line.page, each.line.start, each.line.end)
                for each in chain
            ]
    return []


def _followed(candidates: Sequence[_Candidate]) -> list[_Candidate]:
    chain: list[_Candidate] = []
    last: tuple[int, ...] = (0,)
    for each in candidates:
        steps = each.steps
        up_to = len(steps) - 1
        deeper = len(steps) == len(last) + 1 and steps[:-1] == last and steps[-1] == 1
        onward = len(steps) <= len(last) and steps[:-1] == last[:up_to] and steps[-1] == last[up_to] + 1
        if deeper or onward:
            chain.append(each)
            last = steps
    return chain


def find_abstract(lines: Sequence[Line], sections: Sequence[Section], words: Container[str]) -> str | None:
    """The abstract on one line, if the word precedes it and a heading or keywords follow it."""
    begin = _abstract_begin(lines)
    if begin is None:
        return None
    index, offset = begin
    headings = {section.start for section in sections}
    texts = [lines[index].text[offset:]] if offset < len(lines[index].text) else []
    for line in lines[index + 1 : index + MAX_ABSTRACT_LINES]:
        if line.start in headings or _AFTER_ABSTRACT.match(line.text):
            joined = join_lines(texts, words)
            return joined if MIN_ABSTRACT_CHARACTERS <= len(joined) <= MAX_ABSTRACT_CHARACTERS else None
        texts.append(line.text)
    return None


def _abstract_begin(lines: Sequence[Line]) -> tuple[int, int] | None:
    """The index of the line with the word, and the offset in it after the word."""
    for index, line in enumerate(lines[:150]):
        if line.page > 3:
            break
        heading = line.text.strip().casefold().rstrip(".:—–- ")
        if heading in {"abstract", "a b s t r a c t", "summary"}:
            return index, len(line.text)
        match = _RUN_IN.match(line.text)
        if match is not None and match[1][0].isupper():
            return index, match.end()
    return None
