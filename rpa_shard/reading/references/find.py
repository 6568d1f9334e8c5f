"""Tries the methods in order, and makes the entries from what the best of them finds.

Guarantee: as the package says. Limit: as the package says.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple

from rpa_shard.reading.document import Document
from rpa_shard.reading.identifiers.find import find_identifiers
from rpa_shard.reading.joining import TextOrWords, join_lines
from rpa_shard.reading.lines import Line, Reading
from rpa_shard.reading.references.by_destination import place_destinations
from rpa_shard.reading.references.by_footnote import Footnote, find_footnotes, marker_length
from rpa_shard.reading.references.by_indent import Listed, find_listed
from rpa_shard.reading.references.by_marker import Run, find_runs
from rpa_shard.reading.references.entries import entry_lines
from rpa_shard.reading.references.fields import fields_of
from rpa_shard.reading.references.section import headings
from rpa_shard.reading.spelling import spell

MAX_ENTRY_CHARACTERS = 4000
# Headings examined: a paper has one, a thesis one per chapter.
MAX_HEADINGS = 40
MAX_ENTRIES = 20_000
# How many of a list's entries must look like references: in the best list, and in further ones of at least
# `MIN_FURTHER_ENTRIES`.
MIN_SHARE, MIN_FURTHER_SHARE, MIN_FURTHER_ENTRIES = 0.5, 0.7, 4


class Reference(NamedTuple):
    """One entry: its place in the list (from 1), its text on one line without the marker, and what it names.

    `page` counts from 1; `start` and `end` are character offsets in the raw text, from the first letter of its marker
    to the last letter of the entry.
    """

    ordinal: int
    marker: str | None
    raw: str
    page: int
    start: int
    end: int
    arxiv_ids: tuple[str, ...] = ()
    dois: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    year: int | None = None
    title: str | None = None
    authors: tuple[str, ...] = ()
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Bibliography:
    """The entries, the method that found them (None: nothing found), and how many entries the destinations imply."""

    references: tuple[Reference, ...]
    method: str | None
    expected: int | None
    # The ordinal of the entry that each destination leads to; several may lead to one.
    ordinals: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Found:
    """Where entries begin in `lines`; `ends` as in `entry_lines`; the keys of destinations by first line."""

    method: str
    starts: tuple[int, ...]
    stop: int
    ends: frozenset[int]
    keys: Mapping[int, Sequence[str]]
    lines: Sequence[Line]


def find_references(document: Document, lines: Sequence[Line], reading: Reading) -> Bibliography:
    """The bibliography; `lines` are those of the reading without running heads, page numbers and stamp."""
    expected = _expected(document)
    found = _by_destinations(lines, document) or _by_markers_and_indents(lines, reading.raw)
    if found is None:
        # With a heading there is a bibliography, even if its entries were not found.
        notes = find_footnotes(lines) if expected is None and not headings(lines) else []
        return _of_footnotes(notes, document, reading) if notes else Bibliography((), None, expected)
    entries = entry_lines(found.lines, found.starts[:MAX_ENTRIES], found.stop, found.ends)
    links = _uri_links(document, reading)
    numbered = found.method != "author_year"
    words = TextOrWords(reading.raw)
    references = tuple(
        _reference(number, entry, found.keys.get(start, ()), words, links, numbered)
        for number, (start, entry) in enumerate(zip(found.starts, entries, strict=False), 1)
    )
    ordinals = {
        key: number
        for number, start in enumerate(found.starts[: len(references)], 1)
        for key in found.keys.get(start, ())
    }
    return Bibliography(references, found.method, expected, ordinals)


def _of_footnotes(notes: Sequence[Footnote], document: Document, reading: Reading) -> Bibliography:
    links = _uri_links(document, reading)
    references = []
    for ordinal, note in enumerate(notes[:MAX_ENTRIES], 1):
        found = _reference(ordinal, note.lines, (), reading.raw, links, numbered=False)
        length = marker_length(found.raw)
        fields = fields_of(found.raw[length:], numbered=False)
        references.append(
            found._replace(
                marker=found.raw[:length].strip(),
                raw=fields.body.strip(),
                title=fields.title,
                authors=fields.authors,
                year=fields.year,
            )
        )
    return Bibliography(tuple(references), "footnotes", None)


def _expected(document: Document) -> int | None:
    """How many entries the destinations imply: those at one point are one; without a height each counts."""
    points = {(each.page, each.x, each.y if each.y is not None else each.key) for each in document.destinations}
    return len(points) or None


def _by_destinations(lines: Sequence[Line], document: Document) -> _Found | None:
    placed = place_destinations(lines, document.destinations)
    if placed is None or not placed.keys:
        return None
    return _Found("destinations", tuple(placed.keys), len(placed.lines), frozenset(), placed.keys, placed.lines)


def _by_markers_and_indents(lines: Sequence[Line], raw: str) -> _Found | None:
    runs = find_runs(lines, raw)
    listed = _listed(lines, raw)
    if listed and _is_better(listed, runs):
        return _of_lists("author_year", listed, lines)
    return _of_lists(runs[0].method, runs, lines) if runs else None


def _of_lists(method: str, lists: Sequence[Run] | Sequence[Listed], lines: Sequence[Line]) -> _Found:
    """All entries of one list, or of one for each chapter; the last of each may be followed by something else."""
    lengths = accumulate(len(each.starts) for each in lists)
    starts = tuple(start for each in lists for start in each.starts)
    return _Found(method, starts, lists[-1].stop, frozenset(length - 1 for length in lengths), {}, lines)


def _is_better(listed: Sequence[Listed], runs: Sequence[Run]) -> bool:
    """Whether the lists without markers are the bibliography rather than the numbered ones."""
    best = max(listed, key=lambda each: len(each.starts))
    if not runs:
        return True
    inside = any(best.starts[0] - 2 <= run.starts[0] and run.starts[-1] < best.stop for run in runs)
    entries, marked = (sum(len(each.starts) for each in lists) for lists in (listed, runs))
    return not inside and best.share >= MIN_FURTHER_SHARE and entries > marked


def _listed(lines: Sequence[Line], raw: str) -> list[Listed]:
    """The most convincing list under a heading, and further convincing ones: those of a thesis's chapters."""
    places = headings(lines)[-MAX_HEADINGS:]
    found = [
        each
        for number, place in enumerate(places)
        if (each := find_listed(lines, raw, place, places[number + 1] if number + 1 < len(places) else len(lines)))
        and each.share >= MIN_SHARE
    ]
    best = max(found, key=lambda each: (len(each.starts) * each.share, each.starts), default=None)
    return [
        each
        for each in found
        if each is best or (each.share >= MIN_FURTHER_SHARE and len(each.starts) >= MIN_FURTHER_ENTRIES)
    ]


class _UriLinks(NamedTuple):
    """The document's links to URIs: their offsets in the raw text, ascending, and the URI of each."""

    offsets: list[int]
    uris: list[str]

    def inside(self, entry: Sequence[Line]) -> tuple[str, ...]:
        """The URIs that the lines of an entry link to, each once."""
        if not self._between(entry[0].start, entry[-1].end):
            return ()
        return tuple(dict.fromkeys(uri for line in entry for uri in self._between(line.start, line.end)))

    def _between(self, start: int, end: int) -> list[str]:
        return self.uris[bisect_left(self.offsets, start) : bisect_right(self.offsets, end)]


def _uri_links(document: Document, reading: Reading) -> _UriLinks:
    found = sorted(
        (span[0] + link.offset, link.uri)
        for page, span in zip(document.pages, reading.page_spans, strict=True)
        for link in page.links
        if link.uri is not None and link.offset is not None
    )
    return _UriLinks([offset for offset, _ in found], [uri for _, uri in found])


def _reference(
    ordinal: int,
    entry: Sequence[Line],
    keys: Sequence[str],
    words: Container[str],
    links: _UriLinks,
    numbered: bool,
) -> Reference:
    text = spell(join_lines([line.text for line in entry], words)[:MAX_ENTRY_CHARACTERS])
    fields = fields_of(text, numbered)
    names = find_identifiers(fields.body, links.inside(entry))
    return Reference(
        ordinal,
        fields.marker,
        fields.body.strip(),
        entry[0].page,
        entry[0].start,
        entry[-1].end,
        *names,
        fields.year,
        fields.title,
        fields.authors,
        keys[0] if keys else None,
    )
