"""From a paper to the URLs where its PDF may be.

Guarantee: pure; URLs come in the order in which they are to be tried. Limit: says nothing about whether a source has
the paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from rpa_shard.arxiv_id import PaperId


def urls_of(paper: PaperId, templates: Sequence[str]) -> list[str]:
    """Where to look for `paper`: the templates filled in for arXiv papers, the URL itself for the others."""
    if paper.kind != "arxiv":
        return [paper.canonical]
    parts = {
        "id": quote(paper.canonical),
        "name": paper.file_stem,
        "archive": paper.archive,
        "yymm": paper.yymm,
        "number": paper.number,
        "version": paper.version,
    }
    return [template.format_map(parts) for template in templates]
