"""A PDF's text and references: the engines in order, then what we make of their pages.

Guarantee: one thread of the process at a time is in here, whichever engine it uses; a file that breaks an engine ends
as `PaperError(BAD_PDF)`. Limit: blocks for as long as the engine takes; deadlines are enforced from outside.
"""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from rpa_shard.failpoints import reach
from rpa_shard.paper import Failure, PaperError
from rpa_shard.prep.document import Document, Extraction
from rpa_shard.prep.engines import load, names_for
from rpa_shard.prep.references import find_references
from rpa_shard.prep.text import as_blocks, needs_ocr

# PDFium crashes, or silently gives wrong text, when two threads are in it, even on different documents; two threads of
# pypdf only take the interpreter from the loop.
ENGINE_LOCK = threading.Lock()


def extract(path: Path, choice: str, inside: AbstractContextManager[None] | None = None) -> Extraction:
    """Reads the PDF at `path` with the engines of `choice`. Raises PaperError(BAD_PDF).

    `inside` is entered once the engine lock is ours, and left before it is released.
    """
    with ENGINE_LOCK, inside or nullcontext():
        reach("mid_extraction")
        document, refusals = _read(path, choice)
        return _make(document, refusals)


def _read(path: Path, choice: str) -> tuple[Document, list[str]]:
    refusals: list[str] = []
    for name in names_for(choice):
        try:
            return load(name).read(path), refusals
        except PaperError as refusal:
            refusals.append(refusal.detail)
        except MemoryError:
            refusals.append(f"{name}: needs more memory than it may have")
    raise PaperError(Failure.BAD_PDF, "; ".join(refusals))


def _make(document: Document, refusals: list[str]) -> Extraction:
    text = as_blocks(document.pages)
    flags = {
        "needs_ocr": needs_ocr(document.pages),
        "partial": bool(document.failed_pages),
        "fallback_engine": bool(refusals),
    }
    return Extraction(
        text=text,
        pages=len(document.pages),
        characters=len(text),
        references=find_references(document),
        flags=tuple(sorted(flag for flag, raised in flags.items() if raised)),
        engine=document.engine,
        engine_version=document.engine_version,
        failed_pages=document.failed_pages,
    )
