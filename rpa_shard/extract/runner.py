"""A PDF's text and references: reads it with the engines in order, then derives everything from their pages.

Guarantee: only one thread of the process at a time is inside any engine; a file that breaks an engine ends as
`PaperError(BAD_PDF)`, as `search` says. Limit: blocks for as long as the engine takes; deadlines are enforced from
outside.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from itertools import pairwise
from math import inf
from operator import attrgetter

from rpa_shard.extract.engines import read
from rpa_shard.extract.engines.fonts import untold_pages
from rpa_shard.extract.engines.time_slice import time_slice
from rpa_shard.extract.raw_offsets import with_raw_offsets
from rpa_shard.extract.result import AddedSpan, Citation, Extraction, PageSize
from rpa_shard.extract.search import is_bad, search_of, try_next
from rpa_shard.reading.clean import TextLayout
from rpa_shard.reading.document import Document
from rpa_shard.reading.furniture import find_furniture
from rpa_shard.reading.line_numbers import without_line_numbers
from rpa_shard.reading.lines import MAX_LINES, Line, Reading, read_lines
from rpa_shard.reading.order.comments import after_sentences
from rpa_shard.reading.order.jumps import pages_to_reorder
from rpa_shard.reading.order.notes import paragraphs_without_notes
from rpa_shard.reading.order.reordered import reorder
from rpa_shard.reading.quality.figures import Quality, measure
from rpa_shard.reading.references import Bibliography, Reference, find_references
from rpa_shard.reading.sections import Section, find_abstract, find_sections
from rpa_shard.reading.stamp import Stamped, find_stamp
from rpa_shard.system.content import Content, all_bytes, opened
from rpa_shard.system.failpoints import reach

# PDFium crashes, or silently returns wrong text, when two threads are in it, even on different documents; two threads
# in pypdf would only compete with the loop for the GIL.
ENGINE_LOCK = threading.Lock()
_START = attrgetter("start")
# How far the number of references may be from what the destinations imply: this number, or this share of them.
MAX_REFERENCES_OFF, MAX_REFERENCES_OFF_SHARE = 1, 0.05
# Links to one entry that begin closer together are one citation.
ONE_CITATION_CHARACTERS = 40


def extract(content: Content, choice: str, inside: AbstractContextManager[None] | None = None) -> Extraction:
    """Reads a PDF with the engines of `choice`, in this process. Raises PaperError(BAD_PDF).

    `inside` is as in `read_with`.
    """
    search = search_of(content, choice)
    while not search.is_over:
        search = try_next(search, lambda name, content, pages: read_with(name, content, pages, inside))
    return search.result()


def read_with(
    name: str,
    content: Content,
    max_pages: int | None = None,
    inside: AbstractContextManager[None] | None = None,
    slice_seconds: float = inf,
) -> Extraction:
    """Reads a PDF, or its first pages, with one engine. Raises PaperError(BAD_PDF).

    `inside` is entered after the engine lock is acquired, and left before it is released. Raises SliceOverError when
    the lock has been held for `slice_seconds`.
    """
    with ENGINE_LOCK, inside or nullcontext(), time_slice(slice_seconds):
        reach("mid_extraction")
        document = read(name, content, max_pages)
        # Inside the block, so that a deadline measured by `inside` covers it.
        quality = measure(document.pages)
        found = make(document, quality)
        if is_bad(quality, found.pages):
            with opened(content) as readable:
                untold = untold_pages(all_bytes(readable), document.pages, quality.garbled_pages)
            return replace(found, untold_pages=untold)
        return found


def make(document: Document, quality: Quality) -> Extraction:
    """Derives everything from the document that an engine read."""
    reading = read_lines(document.pages)
    numbered, numbers = without_line_numbers(reading.lines)
    reading = reading._replace(lines=numbered)
    orders = pages_to_reorder(reading, document.pages)
    if not orders:
        return _derive(document, reading, numbers, quality)
    added = _added_text(document, reading)
    comments = _offsets(added, "annotation")
    if comments:
        orders = {page: after_sentences(rows, lambda piece: piece.start in comments) for page, rows in orders.items()}
    reordered = reorder(document, reading, orders)
    found = _derive(reordered.document, reordered.reading, (), quality)
    found = with_raw_offsets(found, reordered, reading)
    furniture = tuple(sorted({*found.layout.furniture, *numbers}))
    return replace(found, layout=replace(found.layout, furniture=furniture), added_text=added)


def _derive(document: Document, reading: Reading, numbers: Iterable[tuple[int, int]], quality: Quality) -> Extraction:
    """Derives everything from a document that is in the order of reading."""
    dropped = find_furniture(reading.lines)
    stamped = find_stamp(document.pages[0].text)
    furniture = _furniture(reading, dropped, stamped, numbers)
    hidden = dropped | _stamp_line(reading, stamped)
    lines = [line for index, line in enumerate(reading.lines) if index not in hidden]
    added = _added_text(document, reading)
    content = _without(added, lines) if added else lines
    bibliography = find_references(document, content, reading)
    references = bibliography.references
    listed = references if bibliography.method != "footnotes" else ()
    sections = find_sections(content, listed[0].start if listed else len(reading.raw))
    limits = document.limits_hit + (("lines",) if len(reading.lines) >= MAX_LINES else ())
    known = _known_starts(lines, sections, listed)
    if added:
        known |= _edges(added, lines)
    in_notes = frozenset(each.start for each in references) if not listed else frozenset()
    paragraphs = paragraphs_without_notes(lines, known, in_notes)
    return Extraction(
        text=reading.raw,
        page_offsets=reading.page_spans,
        references=references,
        references_method=bibliography.method,
        references_expected=bibliography.expected,
        citations=_citations(document, reading, bibliography),
        sections=sections,
        abstract=find_abstract(content, sections, reading.raw),
        stamp=stamped.stamp if stamped else None,
        layout=TextLayout(furniture, tuple(paragraphs.starts), paragraphs.order),
        added_text=added,
        metadata=document.metadata,
        page_sizes=_page_sizes(document),
        quality=quality,
        flags=_flags(quality, bibliography, cut=bool(limits), damaged=document.damaged),
        engine=document.engine,
        engine_version=document.engine_version,
        failed_pages=tuple(number for number, page in enumerate(document.pages, 1) if page.failed),
        limits_hit=limits,
    )


def _known_starts(
    lines: Sequence[Line], sections: Iterable[Section], references: Iterable[Reference]
) -> frozenset[int]:
    """Where a paragraph always begins: at each reference, at each heading, and after each heading."""
    headings = frozenset(each.start for each in sections)
    after = (bisect_right(lines, start, key=_START) for start in headings)
    return headings.union(
        (each.start for each in references),
        (lines[index].start for index in after if index < len(lines)),
    )


def _furniture(
    reading: Reading, dropped: frozenset[int], stamped: Stamped | None, numbers: Iterable[tuple[int, int]]
) -> tuple[tuple[int, int], ...]:
    """The spans that are not part of the text, in order."""
    spans = [*numbers]
    spans += [(reading.lines[index].start, reading.lines[index].end) for index in dropped]
    if stamped is not None:
        offset = reading.page_spans[0][0]
        spans.append((offset + stamped.start, offset + stamped.end))
    return tuple(sorted(set(spans)))


def _stamp_line(reading: Reading, stamped: Stamped | None) -> frozenset[int]:
    """The index of the line that is only the stamp."""
    if stamped is None:
        return frozenset()
    start, end = (reading.page_spans[0][0] + at for at in (stamped.start, stamped.end))
    return frozenset(
        index
        for index, line in enumerate(reading.lines[:1000])
        if line.page == 1 and line.start <= start and end <= line.end and len(line.text.strip()) == end - start
    )


def _citations(document: Document, reading: Reading, bibliography: Bibliography) -> tuple[Citation, ...]:
    ordinals = bibliography.ordinals
    if not ordinals:
        return ()
    found = (
        Citation(number, span[0] + link.offset, ordinals[link.key])
        for number, (page, span) in enumerate(zip(document.pages, reading.page_spans, strict=True), 1)
        for link in page.links
        if link.key is not None and link.key in ordinals and link.offset is not None
    )
    return tuple(_each_once(found))


def _each_once(citations: Iterable[Citation]) -> Iterator[Citation]:
    """Drops second links of one citation: author and year may be two links, and a line break may split one."""
    before: Citation | None = None
    for each in citations:
        if (
            before is None
            or each.reference != before.reference
            or each.offset - before.offset > ONE_CITATION_CHARACTERS
        ):
            yield each
        before = each


def _page_sizes(document: Document) -> tuple[PageSize, ...]:
    sizes = Counter((round(page.width, 1), round(page.height, 1)) for page in document.pages if page.width > 0)
    return tuple(PageSize(width, height, count) for (width, height), count in sorted(sizes.items()))


def _added_text(document: Document, reading: Reading) -> tuple[AddedSpan, ...]:
    return tuple(
        AddedSpan(each.kind, number, span[0] + each.start, span[0] + each.end)
        for number, (page, span) in enumerate(zip(document.pages, reading.page_spans, strict=True), 1)
        for each in page.added
    )


def _offsets(added: Iterable[AddedSpan], *kinds: str) -> frozenset[int]:
    """All offsets in the added text, or in that of some kinds."""
    return frozenset(at for each in added if not kinds or each.kind in kinds for at in range(each.start, each.end))


def _without(added: Iterable[AddedSpan], lines: Iterable[Line]) -> list[Line]:
    """The lines that are part of the pages' content: a comment is no heading and belongs to no reference."""
    taken = _offsets(added)
    return [line for line in lines if line.start not in taken]


def _edges(added: Iterable[AddedSpan], lines: Sequence[Line]) -> frozenset[int]:
    """Where each piece of added text begins, and where the page's own text goes on after it."""
    taken = _offsets(added)
    after = (line.start for before, line in pairwise(lines) if before.start in taken and line.start not in taken)
    return frozenset(each.start for each in added).union(after)


def _flags(quality: Quality, bibliography: Bibliography, *, cut: bool, damaged: bool) -> tuple[str, ...]:
    flags = {
        "damaged_file": damaged,
        "needs_ocr": quality.needs_ocr,
        "garbled": quality.garbled,
        "non_english": quality.non_english,
        "partial": quality.failed_pages > 0 or cut,
        "text_missing": bool(quality.text_missing_pages),
        "refs_mismatch": _mismatch(bibliography.references, bibliography.expected),
    }
    return tuple(sorted(flag for flag, raised in flags.items() if raised))


def _mismatch(references: tuple[Reference, ...], expected: int | None) -> bool:
    if expected is None:
        return False
    return abs(len(references) - expected) > max(MAX_REFERENCES_OFF, MAX_REFERENCES_OFF_SHARE * expected)
