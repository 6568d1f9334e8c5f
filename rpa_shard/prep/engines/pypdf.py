"""pypdf: slower than PDFium by far, but it reads some files that PDFium refuses, and runs everywhere.

Guarantee: its resource limits hold in whichever thread calls (they live in a context variable, which threads of a pool
do not inherit); a page that breaks it costs that page only. Limit: it has no time limit; deadlines are the caller's.
"""

from __future__ import annotations

import logging
from pathlib import Path

import pypdf
from pypdf import Configuration, PdfReader, apply_configuration
from pypdf.errors import PyPdfError

from rpa_shard.paper import Failure, PaperError
from rpa_shard.prep.document import Document
from rpa_shard.prep.text import clean_page

# It warns about most real files; what matters of that shows in the result.
logging.getLogger("pypdf").setLevel(logging.CRITICAL)

# No external program may be run on a file that a stranger made.
_LIMITS = Configuration(jbig2dec_binary=None)


class PypdfEngine:
    """pypdf's text in content order, page by page."""

    name = "pypdf"
    version = pypdf.__version__

    def read(self, path: Path) -> Document:
        with apply_configuration(_LIMITS):
            try:
                return self._read(path)
            except (PyPdfError, RecursionError, MemoryError, ValueError, TypeError, KeyError, AttributeError) as error:
                raise PaperError(Failure.BAD_PDF, f"pypdf: {type(error).__name__}: {error}"[:300]) from None

    def _read(self, path: Path) -> Document:
        with path.open("rb") as file:
            reader = PdfReader(file, strict=False)
            if reader.is_encrypted and not reader.decrypt(""):
                raise PaperError(Failure.BAD_PDF, "pypdf: encrypted, and the empty password does not open it")
            pages: list[str] = []
            failed: list[int] = []
            for number in range(1, len(reader.pages) + 1):
                try:
                    pages.append(clean_page(reader.pages[number - 1].extract_text()))
                except Exception:  # pypdf raises whatever its parsing runs into
                    pages.append("")
                    failed.append(number)
        if not pages:
            raise PaperError(Failure.BAD_PDF, "pypdf: no pages")
        if len(failed) == len(pages):
            raise PaperError(Failure.BAD_PDF, "pypdf: no page can be read")
        return Document(tuple(pages), self.name, self.version, tuple(failed))
