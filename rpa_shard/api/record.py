"""The record of a paper as a typed value: what lies beside its text, and the text itself.

Guarantee: frozen; made of the JSON record and equal to it again (`as_dict`), so its fields are those of
`docs/record.md`; may be pickled. Limit: the text of a paper in a data folder is read, and checked, when it is first
asked for; then it stays in memory with the record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from rpa_shard.extract.result import AddedSpan, Citation, PageSize, from_plain, plain
from rpa_shard.model.arxiv_id import from_canonical
from rpa_shard.model.errors import StoreError
from rpa_shard.reading.clean import CleanText, TextLayout, clean_text
from rpa_shard.reading.quality.figures import Quality
from rpa_shard.reading.references import Reference
from rpa_shard.reading.sections import Section
from rpa_shard.reading.stamp import Stamp
from rpa_shard.system.program import program

# How the id of bytes begins that came from nowhere.
HASH_ID = "sha256:"


@dataclass(frozen=True, slots=True)
class Document:
    """What the PDF says of itself, and the sizes of its pages."""

    title: str | None
    producer: str | None
    created_at: str | None
    page_sizes: tuple[PageSize, ...]


@dataclass(frozen=True, slots=True)
class Engine:
    """What read the PDF: `pdfium` or `pypdf`, and its version."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Timings:
    """Milliseconds."""

    download: float
    extract: float


@dataclass(frozen=True, repr=False, kw_only=True)
class Record:
    """Everything that was found in one paper.

    The fields are those of the JSON record, which `docs/record.md` describes. Pages count from 1; offsets count
    characters of `text`. `abstract`, `stamp` and others are None where there is none; tuples are empty then. Besides:

    - `text`: the raw text, page by page, with its marks `[PAGE 1]`
    - `clean_text`: the text for reading and for models, made at the first use
    - `arxiv_id`: which paper it is, without version, if it has an arXiv id or a stamp that names it
    - `as_dict()`: the JSON record
    """

    schema: int
    id: str
    status: str
    failure: None
    pages: int
    characters: int
    page_offsets: tuple[tuple[int, int], ...]
    document: Document
    stamp: Stamp | None
    abstract: str | None
    sections: tuple[Section, ...]
    references: tuple[Reference, ...]
    references_method: str | None
    references_expected: int | None
    citations: tuple[Citation, ...]
    quality: Quality
    flags: tuple[str, ...]
    failed_pages: tuple[int, ...]
    limits_hit: tuple[str, ...]
    layout: TextLayout
    # Those with a default are missing in records of earlier versions.
    added_text: tuple[AddedSpan, ...] = ()
    engine: Engine
    source: str | None
    fetched_at: str | None = None
    extracted_at: str | None = None
    rpa_shard_version: str | None = None
    pdf_sha256: str
    pdf_bytes: int
    text_sha256: str
    text_bytes: int
    timings_ms: Timings
    _text: str | Path = field(default="", compare=False)

    @classmethod
    def of(cls, content: Mapping[str, Any], text: str | Path) -> Record:
        """The record with this content, whose raw text is `text` or in a file. Raises TypeError for other content."""
        return replace(from_plain(cls, content), _text=text)

    def as_dict(self) -> dict[str, Any]:
        """The record as it is in JSON: objects, lists and scalars; without the texts."""
        return {name: plain(getattr(self, name)) for name in _NAMES}

    @cached_property
    def text(self) -> str:
        """The raw text. Raises StoreError if its file is missing, or is not the one of this record."""
        return self._text if isinstance(self._text, str) else _checked(self._text, self.text_sha256)

    @property
    def clean_text(self) -> str:
        """The text for reading and for models: a paragraph a line, without what repeats on every page."""
        return self._clean.text

    @property
    def clean_page_offsets(self) -> tuple[tuple[int, int], ...]:
        """Where each page begins and ends in `clean_text`."""
        return self._clean.page_offsets

    @property
    def arxiv_id(self) -> str | None:
        """The arXiv id without its version, from the id or from the stamp; None if neither says it."""
        paper = None if self.id.startswith(HASH_ID) else from_canonical(self.id)
        if paper is not None and paper.kind == "arxiv":
            return paper.without_version
        return self.stamp.id if self.stamp is not None else None

    @cached_property
    def _clean(self) -> CleanText:
        return clean_text(self.text, self.page_offsets, self.layout)

    def __repr__(self) -> str:
        return f"<Record {self.id}: {self.pages} pages, {len(self.references)} references>"


_NAMES = tuple(each.name for each in fields(Record) if not each.name.startswith("_"))


def _checked(path: Path, digest: str) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}: see `{program()} verify`") from None
    if sha256(content).hexdigest() != digest:
        raise StoreError(f"{path} is not as recorded: see `{program()} verify`")
    return content.decode()
