"""PDFium, through pypdfium2.

Guarantee: document, pages and text pages are closed before `read` returns, so no finalizer enters PDFium later from
another thread. Limit: one thread of the process at a time, also for different documents.
"""

from __future__ import annotations

from pathlib import Path

import pypdfium2
from pypdfium2 import PdfDocument, PdfiumError

from rpa_shard.paper import Failure, PaperError
from rpa_shard.prep.document import Document
from rpa_shard.prep.text import clean_page


class PdfiumEngine:
    """PDFium's text in content order, page by page."""

    name = "pdfium"
    version = f"{pypdfium2.version.PYPDFIUM_INFO} (PDFium {pypdfium2.version.PDFIUM_INFO.build})"

    def read(self, path: Path) -> Document:
        try:
            document = PdfDocument(path)
        except PdfiumError as error:
            raise PaperError(Failure.BAD_PDF, f"pdfium: {error}") from None
        try:
            pages, failed = _read_pages(document)
        finally:
            document.close()
        if not pages:
            raise PaperError(Failure.BAD_PDF, "pdfium: no pages")
        if len(failed) == len(pages):
            raise PaperError(Failure.BAD_PDF, "pdfium: no page can be read")
        return Document(tuple(pages), self.name, self.version, tuple(failed))


def _read_pages(document: PdfDocument) -> tuple[list[str], list[int]]:
    pages: list[str] = []
    failed: list[int] = []
    for index in range(len(document)):
        try:
            pages.append(clean_page(_page_text(document, index)))
        except PdfiumError:
            pages.append("")
            failed.append(index + 1)
    return pages, failed


def _page_text(document: PdfDocument, index: int) -> str:
    page = document[index]
    try:
        text_page = page.get_textpage()
        try:
            text: str = text_page.get_text_range()
            return text
        finally:
            text_page.close()
    finally:
        page.close()
