"""The engines that read PDFs, behind one interface.

Guarantee: `read` either returns a `Document` or raises `PaperError(BAD_PDF)` with the cause, whatever an engine raises;
engines are imported only when needed. Limit: no engine may be entered from two threads (PDFium may crash, pypdf stalls
the loop), which `rpa_shard.extract.runner` prevents; one that hangs or crashes is the caller's concern.
"""

from __future__ import annotations

from functools import cache
from typing import Protocol

from rpa_shard.model.failure import Failure, PaperError
from rpa_shard.reading.document import Document
from rpa_shard.system.content import Content, is_gone
from rpa_shard.system.errors import cause_of, is_systems_fault


class Engine(Protocol):
    """Something that reads the text of a PDF."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    def read(self, content: Content, max_pages: int | None = None) -> Document:
        """The text of every page, or of the first ones. Raises PaperError(BAD_PDF), or whatever it runs into."""


_CHOICES = {"auto": ("pdfium", "pypdf"), "pdfium": ("pdfium",), "pypdf": ("pypdf",)}


def names_for(choice: str) -> tuple[str, ...]:
    """The names of the engines for a choice, in order."""
    return _CHOICES[choice]


@cache
def load(name: str) -> Engine:
    """The engine called `name`, imported at the first call."""
    if name == "pdfium":
        from rpa_shard.extract.engines.pdfium.engine import PdfiumEngine

        return PdfiumEngine()
    from rpa_shard.extract.engines.pypdf.engine import PypdfEngine

    return PypdfEngine()


def read(name: str, content: Content, max_pages: int | None = None) -> Document:
    """What the engine called `name` reads. Raises PaperError(BAD_PDF), or OSError if the system is at fault."""
    engine = load(name)
    try:
        return engine.read(content) if max_pages is None else engine.read(content, max_pages)
    except PaperError:
        raise
    except MemoryError:
        raise PaperError(Failure.BAD_PDF, f"{name}: needs more memory than allowed") from None
    except (Exception, SystemExit) as error:
        if is_systems_fault(error) or is_gone(content):
            raise
        raise PaperError(Failure.BAD_PDF, f"{name}: {cause_of(error)}") from None
