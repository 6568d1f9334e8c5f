"""What an engine reads from a PDF: the text of every page, the places of its lines, the targets of its links.

Guarantee: frozen values; all text in them is valid Unicode that encodes to strict UTF-8. Limit: no behaviour; what an
engine cannot determine is empty or None.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple


class Place(NamedTuple):
    """Where a line of text is on its page: points from the lower left corner; `size` is its letters' height."""

    left: float
    baseline: float
    right: float
    size: float


class Piece(NamedTuple):
    """A part of a line that stands apart from its other parts, as another column does: its span in the page's text."""

    start: int
    end: int
    place: Place


class Destination(NamedTuple):
    """A named destination in the document: the page (from 1) and, if it has them, the coordinates in points."""

    key: str
    page: int
    x: float | None
    y: float | None


class Link(NamedTuple):
    """A link on a page: the offset in the page's text where it begins (None if there is no text under it).

    It leads either to a `uri` or to the bibliography entry `key`; the other is None.
    """

    offset: int | None
    uri: str | None
    key: str | None


class AddedText(NamedTuple):
    """A span of a page's text that is not part of the page's content: a form field's value, a comment, a signature."""

    kind: Literal["annotation", "form_field", "signature"]
    start: int
    end: int


class Unmapped(NamedTuple):
    """The letters of a page which the engine could not map to characters: their share of all letters, their fonts."""

    share: float
    fonts: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """One page. `places` has one item per line of `text`, or is empty; sizes are points.

    `pieces` are those of lines that the engine joined from several, ascending; empty where nothing suggests any.
    `has_estimated_widths` says that the engine does not know where lines end on the right.
    `text_missing` says that letters are drawn on the page which the engine could not map to characters; `unmapped` has
    what is known of them, where they are many, even if they look like text.
    """

    text: str
    places: tuple[Place | None, ...] = ()
    links: tuple[Link, ...] = ()
    width: float = 0.0
    height: float = 0.0
    failed: bool = False
    added: tuple[AddedText, ...] = ()
    text_missing: bool = False
    pieces: tuple[Piece, ...] = ()
    has_estimated_widths: bool = False
    unmapped: Unmapped | None = None


@dataclass(frozen=True, slots=True)
class DocumentMetadata:
    """The plausible part of the document's own metadata: see `rpa_shard.reading.metadata`."""

    title: str | None = None
    producer: str | None = None
    created_at: str | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """One PDF as an engine read it; pages in order, counted from 1.

    `destinations` are those of bibliography entries; `limits_hit` names the caps that cut anything off;
    `damaged` says that the file breaks the format, although the engine could read it.
    """

    pages: tuple[Page, ...]
    engine: str
    engine_version: str
    destinations: tuple[Destination, ...] = ()
    metadata: DocumentMetadata = DocumentMetadata()
    limits_hit: tuple[str, ...] = ()
    damaged: bool = False
