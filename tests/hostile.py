"""PDFs that no sane program would write, made to be slow, greedy or broken."""

from __future__ import annotations

from rpa_shard.testing.pdf_writer import Page, write_pdf


def heavy_pdf(shows: int = 1_000_000) -> bytes:
    """A small file whose one page shows text a million times: seconds of parsing and about 1 GB of memory."""
    return write_pdf([Page(operators="BT /F1 1 Tf " + "(abcd) Tj " * shows + "ET")])
