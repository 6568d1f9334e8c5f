"""PDFium, through pypdfium2.

Guarantee: document, pages and text pages are closed before `read` returns, so no finalizer enters PDFium later from
another thread. Limit: one thread of the process at a time, even for different documents.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pypdfium2
import pypdfium2.raw as c
from pypdfium2 import PdfDocument, PdfiumError

from rpa_shard.extract.engines.limits import PAGES, Budget
from rpa_shard.extract.engines.pdfium_links import EntryPlaces, entry_places, page_links
from rpa_shard.extract.engines.pdfium_text import TextPage, document_metadata
from rpa_shard.model.failure import Failure, PaperError
from rpa_shard.reading.document import Document, Page


class PdfiumEngine:
    """PDFium's text in content order, with the places of lines, links and bibliography entries."""

    name = "pdfium"
    version = f"{pypdfium2.version.PYPDFIUM_INFO} (PDFium {pypdfium2.version.PDFIUM_INFO.build})"

    def read(self, path: Path, max_pages: int | None = None) -> Document:
        try:
            document = PdfDocument(path)
        except PdfiumError as error:
            raise PaperError(Failure.BAD_PDF, f"pdfium: {error}") from None
        try:
            return self._read(document, max_pages)
        finally:
            document.close()

    def _read(self, document: PdfDocument, max_pages: int | None) -> Document:
        budget = Budget()
        count = len(document)
        if count > PAGES:
            budget.hit("pages")
        entries = entry_places(document.raw, budget)
        pages = [_read_page(document.raw, index, entries, budget) for index in range(min(count, max_pages or PAGES))]
        if not pages:
            raise PaperError(Failure.BAD_PDF, "pdfium: no pages")
        if all(page.failed for page in pages):
            raise PaperError(Failure.BAD_PDF, "pdfium: no page can be read")
        return Document(
            tuple(pages),
            self.name,
            self.version,
            entries.destinations,
            document_metadata(document.raw),
            budget.names(),
        )


def _read_page(document: Any, index: int, entries: EntryPlaces, budget: Budget) -> Page:
    page = c.FPDF_LoadPage(document, index)
    if not page:
        return Page("", failed=True)
    try:
        text_page = c.FPDFText_LoadPage(page)
        if not text_page:
            return Page("", failed=True)
        try:
            text = TextPage(text_page, budget)
            places, width = text.places(), c.FPDF_GetPageWidthF(page)
            return Page(
                text.text,
                places,
                page_links(document, page, text, entries, budget),
                width,
                c.FPDF_GetPageHeightF(page),
                pieces=text.pieces(places, width),
            )
        finally:
            c.FPDFText_ClosePage(text_page)
    finally:
        c.FPDF_ClosePage(page)
