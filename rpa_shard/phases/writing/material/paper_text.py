"""A paper as parts: what comes before the first heading, its sections, what follows the references.

Guarantee: pure and deterministic; the parts, in their order, are all of the clean text but the references. Limit: a
heading that is not found in the clean text begins no part; then its text belongs to the section before.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from rpa_shard.reading.clean import CleanText, clean_of_record
from rpa_shard.reading.references.section import HEADING as REFERENCES_HEADING
from rpa_shard.reading.spelling import spell
from rpa_shard.reading.title import one_line, own_title


class Kind(IntEnum):
    """What a part is, in the order in which parts are left out if not all of them fit."""

    APPENDIX = 0
    FORMALITY = 1
    RELATED = 2
    MIDDLE = 3
    CONCLUSION = 4
    INTRODUCTION = 5
    FRONT = 6


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the text. `title` is its heading as it is printed, empty for what has none; `text` includes it."""

    title: str
    kind: Kind
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperText:
    """What a model can be shown of a paper. `abstract` is empty if the parts hold it; `references` is how many."""

    title: str
    authors: str
    abstract: str
    parts: tuple[Part, ...]
    references: int


@dataclass(frozen=True, slots=True)
class _Found:
    """A heading that was found in the clean text, from `start`."""

    title: str
    start: int


_KINDS = (
    (Kind.APPENDIX, re.compile(r"appendi(x|ces)\b.*|supplementa(ry|l)\b.*", re.IGNORECASE)),
    (
        Kind.FORMALITY,
        re.compile(
            r"acknowledge?ments?|funding|author contributions?|data availability.*|ethics statement|broader impact.*|"
            r"keywords|conflicts? of interest.*|competing interests?",
            re.IGNORECASE,
        ),
    ),
    (Kind.RELATED, re.compile(r"(background and )?(related|previous|prior) works?.*|background", re.IGNORECASE)),
    (
        Kind.CONCLUSION,
        re.compile(r".*\bconclu(sions?|ding)\b.*|summary( and .*)?|outlook|(general )?discussion|limitations.*", re.I),
    ),
    (Kind.INTRODUCTION, re.compile(r"introduction\b.*", re.IGNORECASE)),
    (Kind.FRONT, re.compile(r"abstract|a b s t r a c t", re.IGNORECASE)),
)
AFTER_REFERENCES = "what follows the references"
# The end of the last entry is looked for by so many characters; less text than this after it is none.
ENTRY_END_CHARACTERS, MIN_AFTER_CHARACTERS = 24, 200
_NUMBER = r"(?:(?:§ ?)?[0-9IVXA-Z]{1,5}(?:\.\d{1,2}){0,3}[.:)]?[ \t]{1,6})?"
# A part that is longer than this is more than what its heading says: headings are missing.
MAX_FRONT_CHARACTERS = 6000


def paper_text(raw: str, record: Mapping[str, Any], metadata: Mapping[str, Any] | None = None) -> PaperText:
    """The parts of a paper, from its raw text, its record, and what the catalogue knows of it. Raises KeyError."""
    clean = clean_of_record(raw, record)
    known = metadata or {}
    headings = _headings(clean, record["sections"])
    parts = tuple(_parts(clean.text, headings, record["references"]))
    has_abstract = record["abstract"] is not None or any(each.title and each.kind is Kind.FRONT for each in parts)
    return PaperText(
        title=one_line(known.get("title")) or own_title((record.get("document") or {}).get("title"), clean.text),
        authors=one_line(known.get("authors")),
        abstract="" if has_abstract else one_line(known.get("abstract")),
        parts=parts,
        references=len(record["references"]),
    )


def _headings(clean: CleanText, sections: Sequence[Mapping[str, Any]]) -> list[_Found]:
    """The headings of the record, where they are in the clean text, in its order."""
    found: dict[int, _Found] = {}
    for section in sections:
        page = section["page"]
        if not 0 < page <= len(clean.page_offsets):
            continue
        begin, end = clean.page_offsets[page - 1]
        title = re.escape(spell(section["title"]).strip()).replace("\\ ", r"\s+")
        line = re.compile(rf"^{_NUMBER}{title}", re.MULTILINE)
        for match in line.finditer(clean.text, begin, end):
            if match.start() not in found:
                found[match.start()] = _Found(" ".join(match[0].split()), match.start())
                break
    return [found[start] for start in sorted(found)]


def _parts(text: str, headings: Sequence[_Found], references: Sequence[Mapping[str, Any]]) -> list[Part]:
    if not headings:
        return [Part("", Kind.MIDDLE, text.strip())]
    starts = [each.start for each in headings]
    parts = [_part("", Kind.FRONT, text[: starts[0]])]
    is_appendix = False
    for heading, end in zip(headings, [*starts[1:], len(text)], strict=True):
        words = re.sub(rf"^{_NUMBER}", "", heading.title, count=1)
        if REFERENCES_HEADING.fullmatch(words) or REFERENCES_HEADING.fullmatch(heading.title):
            parts.append(_after_references(text[heading.start : end], references))
            continue
        kind = next((kind for kind, words_of in _KINDS if words_of.fullmatch(words)), Kind.MIDDLE)
        is_appendix = is_appendix or kind is Kind.APPENDIX
        parts.append(_part(heading.title, Kind.APPENDIX if is_appendix else kind, text[heading.start : end]))
    return [part for part in parts if part.text.strip()]


def _part(title: str, kind: Kind, text: str) -> Part:
    is_more = kind is Kind.FRONT and len(text) > MAX_FRONT_CHARACTERS
    return Part(title, Kind.MIDDLE if is_more else kind, text.strip())


def _after_references(text: str, references: Sequence[Mapping[str, Any]]) -> Part:
    """What stands after the last entry: appendices without a heading that is known."""
    last = spell(references[-1]["raw"]).strip()[-ENTRY_END_CHARACTERS:] if references else ""
    at = text.rfind(last) if last else -1
    rest = text[at + len(last) :] if at >= 0 else ""
    return Part(AFTER_REFERENCES, Kind.APPENDIX, rest if len(rest.strip()) >= MIN_AFTER_CHARACTERS else "")
