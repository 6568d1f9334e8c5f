"""The engines that read PDFs, behind one interface.

Guarantee: an engine either returns a `Document` or raises `PaperError(BAD_PDF)`; it is imported only when needed.
Limit: no engine may be entered from two threads (PDFium may crash, pypdf stalls the loop); `rpa_shard.extract.runner`
prevents it.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Protocol

from rpa_shard.reading.document import Document


class Engine(Protocol):
    """Something that reads the text of a PDF."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    def read(self, path: Path, max_pages: int | None = None) -> Document:
        """The text of every page, or of the first ones. Raises PaperError(BAD_PDF) with the reason."""


_CHOICES = {"auto": ("pdfium", "pypdf"), "pdfium": ("pdfium",), "pypdf": ("pypdf",)}


def names_for(choice: str) -> tuple[str, ...]:
    """The names of the engines for a choice, in order."""
    return _CHOICES[choice]


@cache
def load(name: str) -> Engine:
    """The engine called `name`, imported at the first call."""
    if name == "pdfium":
        from rpa_shard.extract.engines.pdfium import PdfiumEngine

        return PdfiumEngine()
    from rpa_shard.extract.engines.pypdf import PypdfEngine

    return PypdfEngine()
