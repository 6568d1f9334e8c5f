"""PDFium, through pypdfium2.

Guarantee: document, pages and text pages are closed before `read` returns, so no finalizer enters PDFium later from
another thread. Limit: one thread of the process at a time, even for different documents.
"""

from __future__ import annotations

from contextlib import closing, suppress
from typing import Any

import pypdfium2
import pypdfium2.raw as c
from pypdfium2 import PdfDocument, PdfiumError

from rpa_shard.extract.engines.added_text import with_items
from rpa_shard.extract.engines.damage import is_damaged
from rpa_shard.extract.engines.fields import FieldValues
from rpa_shard.extract.engines.limits import PAGES, Budget
from rpa_shard.extract.engines.pdfium.annotations import Annotation, page_annotations, page_items
from rpa_shard.extract.engines.pdfium.calls import count_annotations, page_height, page_width, pointer_to
from rpa_shard.extract.engines.pdfium.crowding import passed_pieces
from rpa_shard.extract.engines.pdfium.links import EntryPlaces, entry_places, page_links
from rpa_shard.extract.engines.pdfium.shapes import open_text
from rpa_shard.extract.engines.pdfium.text import document_metadata
from rpa_shard.extract.engines.time_slice import SliceOverError, check, has_slice
from rpa_shard.model.failure import Failure, PaperError
from rpa_shard.reading.document import Document, Page
from rpa_shard.reading.frame import repaired
from rpa_shard.system.content import Content, Readable, all_bytes, as_file, opened

# To put a page's pieces of text in order, PDFium passes those of one line for each of them: fifty million in a second.
MAX_PASSED_PIECES, MAX_PASSED_PIECES_IN_SLICE = 400_000_000, 25_000_000


class PdfiumEngine:
    """PDFium's text in content order, with the places of lines, links and bibliography entries."""

    name = "pdfium"
    version = f"{pypdfium2.version.PYPDFIUM_INFO} (PDFium {pypdfium2.version.PDFIUM_INFO.build})"

    def read(self, content: Content, max_pages: int | None = None) -> Document:
        with opened(content) as pdf:
            document, is_repaired = _open(pdf)
            with closing(document):
                has_table = c.FPDF_DocumentHasValidCrossReferenceTable(document.raw)
                damaged = is_repaired or not has_table or is_damaged(as_file(pdf))
                found = self._read(document, max_pages, FieldValues(pdf), damaged=damaged)
        if is_repaired and any(page.failed for page in found.pages):
            raise PaperError(Failure.BAD_PDF, "pdfium: its cross-reference table is lost, and so are some of its pages")
        return found

    def _read(self, document: PdfDocument, max_pages: int | None, fields: FieldValues, *, damaged: bool) -> Document:
        budget = Budget()
        count = len(document)
        if count > PAGES:
            budget.hit("pages")
        entries = entry_places(document.raw, budget)
        pages: list[Page] = []
        annotated: dict[int, list[Annotation]] = {}
        for index in range(min(count, max_pages or PAGES)):
            page, annotations = _read_page(document.raw, index, entries, budget)
            pages.append(page)
            if annotations:
                annotated[index] = annotations
        # Afterwards, because it changes the content of a page, which others may share.
        for index, annotations in annotated.items():
            items = page_items(document.raw, index, annotations, fields.value)
            pages[index] = with_items(pages[index], items, budget)
        if not pages:
            raise PaperError(Failure.BAD_PDF, "pdfium: no pages")
        if all(page.failed for page in pages):
            why = " in a reasonable time" if "text" in budget.names() else ""
            raise PaperError(Failure.BAD_PDF, f"pdfium: no page can be read{why}")
        return Document(
            tuple(pages),
            self.name,
            self.version,
            entries.destinations,
            document_metadata(document.raw),
            budget.names(),
            damaged,
        )


def _open(pdf: Readable) -> tuple[PdfDocument, bool]:
    """The open document, and whether the file had to be repaired for it. Raises PaperError."""
    try:
        return PdfDocument(pdf), False
    except PdfiumError as error:
        refusal = error
    if refusal.err_code == c.FPDF_ERR_FORMAT:
        for mended in repaired(all_bytes(pdf)):
            with suppress(PdfiumError):
                return PdfDocument(mended), True
    raise PaperError(Failure.BAD_PDF, f"pdfium: {refusal}")


def _is_too_crowded(page: Any, budget: Budget) -> bool:
    """Whether loading the page's text would take very long. Raises SliceOverError if too long for the slice."""
    passed = passed_pieces(page, MAX_PASSED_PIECES)
    if passed > MAX_PASSED_PIECES:
        budget.hit("text")
        return True
    if passed > MAX_PASSED_PIECES_IN_SLICE and has_slice():
        raise SliceOverError
    return False


def _read_page(document: Any, index: int, entries: EntryPlaces, budget: Budget) -> tuple[Page, list[Annotation]]:
    """The page's own content, and its annotations that may have text."""
    check()
    handle = c.FPDF_LoadPage(document, index)
    if not handle:
        return Page("", failed=True), []
    try:
        if _is_too_crowded(handle, budget):
            return Page("", failed=True), []
        links = budget.links
        page = _read_content(document, handle, entries, budget)
        are_all_links = count_annotations(pointer_to(handle)) == links - budget.links
        return page, [] if are_all_links else page_annotations(handle, budget)
    finally:
        c.FPDF_ClosePage(handle)


def _read_content(document: Any, page: Any, entries: EntryPlaces, budget: Budget) -> Page:
    text = open_text(page, budget)
    if text is None:
        return Page("", failed=True)
    try:
        page_at = pointer_to(page)
        places, width = text.places(), page_width(page_at)
        return Page(
            text.text,
            places,
            page_links(document, page, text, entries, budget),
            width,
            page_height(page_at),
            text_missing=text.is_missing_letters(),
            pieces=text.pieces(places, width),
            unmapped=text.unmapped(),
        )
    finally:
        text.close()
