"""The other contenders: the bare engine, the old plan, and common tools: aria2c, xargs, Scrapy, PyMuPDF.

Guarantee: each does only what its name says, on the same PDFs, as a complete command. Limit: `tools` installs what is
needed; if that fails, a contender raises ContenderError and the table shows it.
"""

from __future__ import annotations

import json
import shlex
import sys
from dataclasses import replace
from pathlib import Path

from scripts.benchmarks.measuring import Figures, Lag, measure
from scripts.benchmarks.papers import Shelf
from scripts.benchmarks.tools import program, tools_python

HERE = Path(__file__).parent
DOWNLOADS_AT_A_TIME = 64


def bare_pdfium(shelf: Shelf, scratch: Path, processes: int) -> Figures:
    """The limit: PDFium alone."""
    return _bare(Path(sys.executable), "pdfium", shelf, scratch, processes)


def bare_extraction(shelf: Shelf, scratch: Path, processes: int) -> Figures:
    """Our complete extraction, and nothing else: the least that the pipeline could cost."""
    return _bare(Path(sys.executable), "extraction", shelf, scratch, processes)


def bare_pymupdf(shelf: Shelf, scratch: Path, processes: int) -> Figures:
    """PyMuPDF alone; its licence (AGPL) keeps it out of our product."""
    return _bare(tools_python(), "pymupdf", shelf, scratch, processes)


def _bare(python: Path, engine: str, shelf: Shelf, scratch: Path, processes: int) -> Figures:
    listed = scratch / "list"
    listed.write_text("\n".join(map(str, shelf.files)))
    command: list[str | Path] = [python, HERE / "bare_pool.py", engine, str(processes), listed]
    return measure(command, len(shelf.ids), scratch / "log")


def old_plan(shelf: Shelf, url: str, scratch: Path, pool: str) -> Figures:
    """One asyncio process with a pool of pypdf threads or processes."""
    listed, out = scratch / "list", scratch / "out"
    listed.write_text("\n".join(shelf.ids))
    out.mkdir()
    command: list[str | Path] = [sys.executable, "-m", "scripts.benchmarks.old_plan", pool, url, listed, out]
    figures = measure(command, len(shelf.ids), scratch / "log")
    return replace(figures, lag=Lag(**json.loads((scratch / "log").read_text().splitlines()[-1])))


def scripts(shelf: Shelf, url: str, scratch: Path, processes: int) -> Figures:
    """aria2c, 64 at a time, and then pdftotext by xargs."""
    aria2c, pdftotext = program("aria2c", "aria2"), program("pdftotext", "poppler-utils")
    out, urls = scratch / "out", scratch / "urls"
    out.mkdir()
    urls.write_text("".join(f"{url}/pdf/{each}\n  out={each}.pdf\n" for each in shelf.ids))
    download = (
        f"{aria2c} --quiet --input-file={shlex.quote(str(urls))} --dir={shlex.quote(str(out))} "
        f"--max-concurrent-downloads={DOWNLOADS_AT_A_TIME} --split=1 --file-allocation=none"
    )
    extract = (
        f"find {shlex.quote(str(out))} -name '*.pdf' -print0 | "
        f"xargs -0 -P{processes} -n1 sh -c '{pdftotext} -q \"$0\" || true'"
    )
    return measure(["sh", "-c", f"{download} && {extract}"], len(shelf.ids), scratch / "log")


def scrapy(shelf: Shelf, url: str, scratch: Path) -> Figures:
    """The download alone, by a Scrapy spider."""
    listed, out = scratch / "urls", scratch / "out"
    listed.write_text("\n".join(f"{url}/pdf/{each}" for each in shelf.ids))
    out.mkdir()
    command: list[str | Path] = [tools_python(), HERE / "spider.py", listed, out, str(DOWNLOADS_AT_A_TIME)]
    return measure(command, len(shelf.ids), scratch / "log")
