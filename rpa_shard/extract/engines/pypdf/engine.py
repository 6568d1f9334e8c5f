"""pypdf: much slower than PDFium, but it reads some files that PDFium refuses, and runs everywhere.

Guarantee: its resource limits hold in every calling thread (they are in a context variable, which threads of a pool do
not inherit); a page that it cannot read is lost alone. Limit: it has no time limit; deadlines are the caller's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from io import BytesIO
from typing import Any, BinaryIO, TypeVar

import pypdf
from pypdf import Configuration, PageObject, PdfReader, apply_configuration

from rpa_shard.extract.engines.added_text import Item, with_items
from rpa_shard.extract.engines.damage import is_damaged
from rpa_shard.extract.engines.letters import lacks_letters
from rpa_shard.extract.engines.limits import PAGES, Budget
from rpa_shard.extract.engines.pypdf.annotations import page_items
from rpa_shard.extract.engines.pypdf.links import entry_places, page_links
from rpa_shard.extract.engines.pypdf.text import Pieces
from rpa_shard.extract.engines.time_slice import check
from rpa_shard.model.failure import Failure, PaperError
from rpa_shard.reading.document import Destination, Document, DocumentMetadata, Link, Page
from rpa_shard.reading.frame import repaired
from rpa_shard.reading.metadata import plausible_metadata
from rpa_shard.system.content import Content, all_bytes, as_file, opened

T = TypeVar("T")

# It warns about most real files; what matters shows in the result.
logging.getLogger("pypdf").setLevel(logging.CRITICAL)

# No external program may be run on an untrusted file. A page of two hundred thousand words, which PDFium may refuse, is
# read in proportion to its size.
_LIMITS = Configuration(jbig2dec_binary=None, stream_parsing_work_maximum_count=10_000_000)


class PypdfEngine:
    """pypdf's text in content order, with the places of lines, links and bibliography entries."""

    name = "pypdf"
    version = pypdf.__version__

    def read(self, content: Content, max_pages: int | None = None) -> Document:
        with apply_configuration(_LIMITS), opened(content) as pdf:
            try:
                damaged = is_damaged(as_file(pdf))
                return self._read(as_file(pdf), max_pages, damaged=damaged)
            except PaperError:
                raise
            except Exception as error:  # pypdf raises whatever its parsing runs into
                refusal = error
            for mended in repaired(all_bytes(pdf)):
                with suppress(Exception):
                    found = self._read(BytesIO(mended), max_pages, damaged=True)
                    if not any(page.failed for page in found.pages):
                        return found
        raise refusal

    def _read(self, file: BinaryIO, max_pages: int | None, *, damaged: bool) -> Document:
        reader = PdfReader(file, strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            raise PaperError(Failure.BAD_PDF, "pypdf: encrypted, and the empty password does not open it")
        budget = Budget()
        count = len(reader.pages)
        if count > PAGES:
            budget.hit("pages")
        entries: tuple[Destination, ...] = _result_or(lambda: entry_places(reader, budget), ())
        keys = {each.key for each in entries}
        pages = [_read_page(reader, index, keys, budget) for index in range(min(count, max_pages or PAGES))]
        metadata = _result_or(lambda: _metadata(reader), DocumentMetadata())
        if not pages:
            raise PaperError(Failure.BAD_PDF, "pypdf: no pages")
        if all(page.failed for page in pages):
            raise PaperError(Failure.BAD_PDF, "pypdf: no page can be read")
        return Document(tuple(pages), self.name, self.version, _distinct(entries), metadata, budget.names(), damaged)


def _result_or(read: Callable[[], T], default: T) -> T:
    try:
        return read()
    except Exception:  # pypdf raises whatever its parsing runs into
        return default


def _distinct(entries: tuple[Destination, ...]) -> tuple[Destination, ...]:
    return tuple(dict.fromkeys(entries))


def _read_page(reader: PdfReader, index: int, keys: set[str], budget: Budget) -> Page:
    check()
    try:
        page = reader.pages[index]
        pieces = Pieces()
        text = page.extract_text(visitor_text=pieces.visit)
    except Exception:  # pypdf raises whatever its parsing runs into
        return Page("", failed=True)
    text_missing = lacks_letters(text)
    text, places = pieces.finish(text, budget)
    width, height = _result_or(lambda: _size(page), (0.0, 0.0))
    links: tuple[Link, ...] = _result_or(lambda: page_links(page, pieces, keys, budget), ())
    items: tuple[Item, ...] = _result_or(lambda: page_items(page, budget), ())
    found = Page(
        text,
        places,
        links,
        width,
        height,
        text_missing=text_missing,
        pieces=pieces.pieces(text),
        has_estimated_widths=True,
    )
    return with_items(found, items, budget)


def _size(page: PageObject) -> tuple[float, float]:
    return float(page.mediabox.width), float(page.mediabox.height)


def _metadata(reader: PdfReader) -> DocumentMetadata:
    found: Mapping[str, Any] = reader.metadata or {}
    return plausible_metadata(*(str(found.get(name) or "") for name in ("/Title", "/Producer", "/CreationDate")))
