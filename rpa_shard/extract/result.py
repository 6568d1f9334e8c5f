"""Everything that extraction finds in one PDF: the contents of its text and its record.

Guarantee: frozen values that convert to plain JSON and back without loss, to cross a process boundary. Limit: no other
behaviour.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, NamedTuple, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from rpa_shard.reading.clean import TextLayout
from rpa_shard.reading.document import DocumentMetadata
from rpa_shard.reading.quality.figures import Quality
from rpa_shard.reading.references import Reference
from rpa_shard.reading.sections import Section
from rpa_shard.reading.stamp import Stamp

T = TypeVar("T")


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
        return from_plain(cls, content)


def plain(value: Any) -> Any:
    """A value of these types as plain JSON: objects, lists, scalars."""
    if isinstance(value, tuple):
        if hasattr(value, "_asdict"):
            return {name: plain(each) for name, each in value._asdict().items()}
        return [plain(each) for each in value] if value and not isinstance(value[0], (int, str)) else list(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {name: plain(getattr(value, name)) for name in _names(type(value))}
    return value


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def from_plain(kind: type[T], content: Mapping[str, Any]) -> T:
    """The inverse of `plain`, also after serialisation as JSON: a value of that dataclass or named tuple.

    Fields that `kind` does not know are passed over, and defaults stand for those that are missing. Raises TypeError
    if there is no default, or if something has another form.
    """
    make: Callable[[Any], Any] = _maker(cast(Any, kind))
    return cast(T, make(content))


@cache
def _maker(kind: Any) -> Callable[[Any], Any]:
    """What makes a value of a type from its plain form."""
    arguments = get_args(kind)
    if get_origin(kind) in (Union, UnionType):
        made = {_maker(each) for each in arguments if each is not type(None)}
        make = made.pop()
        assert not made, f"{kind}: plain forms do not tell which of them it is"
        return make if make is _as_it_is else lambda value: None if value is None else make(value)
    if get_origin(kind) is tuple:
        make = _maker(arguments[0])
        one_by_one = arguments[-1] is Ellipsis and make is not _as_it_is
        return (lambda values: tuple(map(make, values))) if one_by_one else tuple
    if isinstance(kind, type) and (is_dataclass(kind) or hasattr(kind, "_fields")):
        return _maker_of_fields(kind)
    return _as_it_is


def _maker_of_fields(kind: Any) -> Callable[[Any], Any]:
    hints = get_type_hints(kind)
    names = hints.keys()
    makers = {name: make for name, hint in hints.items() if (make := _maker(hint)) is not _as_it_is}

    def make_fields(content: Mapping[str, Any]) -> Any:
        known = content.keys() <= names
        values = {**content} if known else {name: content[name] for name in content.keys() & names}
        for name, make in makers.items():
            if name in values:
                values[name] = make(values[name])
        return kind(**values)

    return make_fields


def _as_it_is(value: Any) -> Any:
    return value
