"""Everything that extraction finds in one PDF: the contents of its text and its record.

Guarantee: frozen values that convert to plain JSON and back without loss, to cross a process boundary. Limit: no other
behaviour.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from typing import Any, NamedTuple

from rpa_shard.reading.clean import TextLayout
from rpa_shard.reading.document import DocumentMetadata
from rpa_shard.reading.quality.figures import Quality
from rpa_shard.reading.references import Reference
from rpa_shard.reading.sections import Section
from rpa_shard.reading.stamp import Stamp


class Citation(NamedTuple):
    """A link from the text to an entry of the bibliography: page, offset in the raw text, the entry's ordinal."""

    page: int
    offset: int
    reference: int


class AddedSpan(NamedTuple):
    """A span of the raw text that is not part of a page's content: a form field's value, a comment, a signature."""

    kind: str
    page: int
    start: int
    end: int


class PageSize(NamedTuple):
    """A page size in points, and how many pages have it."""

    width: float
    height: float
    pages: int


@dataclass(frozen=True, slots=True)
class Extraction:
    """What was found. Offsets count characters of `text`, the raw text with its page marks.

    `references_method` names how the references were found (None: none were), `references_expected` is how many the
    document's own destinations imply (None: it has none). `untold_pages` are those whose bad text no engine can better:
    the fonts do not tell what their letters are. They are not part of the record.
    """

    text: str
    page_offsets: tuple[tuple[int, int], ...]
    references: tuple[Reference, ...]
    references_method: str | None
    references_expected: int | None
    citations: tuple[Citation, ...]
    sections: tuple[Section, ...]
    abstract: str | None
    stamp: Stamp | None
    layout: TextLayout
    added_text: tuple[AddedSpan, ...]
    metadata: DocumentMetadata
    page_sizes: tuple[PageSize, ...]
    quality: Quality
    flags: tuple[str, ...]
    engine: str
    engine_version: str
    failed_pages: tuple[int, ...]
    limits_hit: tuple[str, ...]
    untold_pages: tuple[int, ...] = ()

    @property
    def pages(self) -> int:
        return len(self.page_offsets)

    @property
    def characters(self) -> int:
        return len(self.text)

    def to_json(self) -> dict[str, Any]:
        return {field.name: plain(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Extraction:
        """The inverse of `to_json`, also after serialisation as JSON."""
        spans = _spans(content["page_offsets"])
        layout = content["layout"]
        return cls(
            **{
                **content,
                "page_offsets": spans,
                "references": tuple(_reference(each) for each in content["references"]),
                "citations": tuple(Citation(**each) for each in content["citations"]),
                "sections": tuple(Section(**each) for each in content["sections"]),
                "stamp": Stamp(**content["stamp"]) if content["stamp"] else None,
                "layout": TextLayout(_spans(layout["furniture"]), tuple(layout["paragraphs"]), _spans(layout["order"])),
                "added_text": tuple(AddedSpan(**each) for each in content["added_text"]),
                "metadata": DocumentMetadata(**content["metadata"]),
                "page_sizes": tuple(PageSize(**each) for each in content["page_sizes"]),
                "quality": _quality(content["quality"]),
                "flags": tuple(content["flags"]),
                "failed_pages": tuple(content["failed_pages"]),
                "limits_hit": tuple(content["limits_hit"]),
                "untold_pages": tuple(content["untold_pages"]),
            }
        )


def plain(value: Any) -> Any:
    """A value of these types as plain JSON: objects, lists, scalars."""
    if isinstance(value, tuple):
        if hasattr(value, "_asdict"):
            return value._asdict()
        return [plain(each) for each in value] if value and not isinstance(value[0], (int, str)) else list(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {name: plain(getattr(value, name)) for name in _names(type(value))}
    return value


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def _spans(content: Any) -> tuple[tuple[int, int], ...]:
    return tuple((begin, end) for begin, end in content)


def _quality(content: Mapping[str, Any]) -> Quality:
    return Quality(**{**content, **{name: tuple(content[name]) for name in ("garbled_pages", "text_missing_pages")}})


def _reference(content: Mapping[str, Any]) -> Reference:
    lists = {name: tuple(content[name]) for name in ("arxiv_ids", "dois", "urls", "authors")}
    return Reference(**{**content, **lists})
