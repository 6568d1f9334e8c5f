"""An engine alone: a process pool that reads the text of every page of every PDF and discards it.

    python scripts/benchmarks/bare_pool.py pdfium|pymupdf|extraction PROCESSES LIST

Guarantee: no download, no store, no file written; `pdfium` and `pymupdf` import nothing of ours, so that any
environment can run them; `extraction` is our complete extraction. Limit: the files come from the page cache.
"""

from __future__ import annotations

import gc
import multiprocessing
import sys
from pathlib import Path


def read_with_pdfium(path: str) -> int:
    import pypdfium2

    characters = 0
    document = pypdfium2.PdfDocument(path)
    for index in range(len(document)):
        page = document[index]
        text = page.get_textpage()
        characters += len(text.get_text_range())
        text.close()
        page.close()
    document.close()
    return characters


def read_with_pymupdf(path: str) -> int:
    import pymupdf

    with pymupdf.open(path) as document:
        return sum(len(page.get_text()) for page in document)


def extract_all(path: str) -> int:
    from rpa_shard.extract.runner import extract
    from rpa_shard.model.failure import PaperError

    try:
        return extract(Path(path), "auto").characters
    except PaperError:
        return 0


def main() -> None:
    engine, processes, listed = sys.argv[1:]
    if engine == "extraction":
        # As in a run: imported once, before processes are forked, and with the shards' collector.
        import rpa_shard.extract.runner  # noqa: F401
        from rpa_shard.shard.process import COLLECTOR_THRESHOLDS

        gc.set_threshold(*COLLECTOR_THRESHOLDS)
        gc.freeze()
    read = {"pdfium": read_with_pdfium, "pymupdf": read_with_pymupdf, "extraction": extract_all}[engine]
    with multiprocessing.Pool(int(processes)) as pool:
        characters = sum(pool.imap_unordered(read, Path(listed).read_text().splitlines()))
        pool.close()
        pool.join()
    print(characters)


if __name__ == "__main__":
    main()
