"""What passes between the steps of extraction: a document as an engine read it, and what we made of it.

Guarantee: frozen values; every text in them is valid Unicode that encodes to strict UTF-8. Limit: no behaviour beyond
turning into plain dictionaries and back, to cross a process boundary.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Document:
    """One PDF as an engine read it: the text of every page in order; pages count from 1."""

    pages: tuple[str, ...]
    engine: str
    engine_version: str
    failed_pages: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Reference:
    """One entry of the bibliography: its place in the list (from 1) and its text on one line."""

    ordinal: int
    raw: str


@dataclass(frozen=True, slots=True)
class Extraction:
    """Everything that extraction finds in one PDF."""

    text: str
    pages: int
    characters: int
    references: tuple[Reference, ...]
    flags: tuple[str, ...]
    engine: str
    engine_version: str
    failed_pages: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Extraction:
        return cls(
            **{
                **content,
                "references": tuple(Reference(**each) for each in content["references"]),
                "flags": tuple(content["flags"]),
                "failed_pages": tuple(content["failed_pages"]),
            }
        )
