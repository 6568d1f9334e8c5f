"""Entries of the papers themselves, for those who cite them.

Guarantee: a key for each paper, made of its id alone. Limit: title, authors and category are those of the metadata
snapshot; without it, title and year are what the PDF says of itself, and there are no authors.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from rpa_shard.model.arxiv_id import from_canonical
from rpa_shard.observe.export.entries import Entry
from rpa_shard.observe.export.identity import submission_year
from rpa_shard.observe.export.names import names_in
from rpa_shard.observe.export.plain_text import from_tex

# What programs write into a PDF where nobody has given a title.
_NO_TITLE = re.compile(
    r"\s*|(?:untitled|title|document|paper|main|slide|microsoft word)\b.{0,12}"
    r"|.*\.(?:dvi|tex|pdf|docx?|rtf|eps|ps|indd)",
    re.IGNORECASE | re.DOTALL,
)
_YEAR = re.compile(r"\b(?:19|20)\d\d\b")


def entry_of_paper(record: Mapping[str, Any]) -> Entry:
    """The entry of the paper of an exported record."""
    paper = from_canonical(record["id"])
    metadata = record["metadata"] or {}
    stamp = record["stamp"] or {}
    categories = metadata.get("categories") or []
    title = metadata.get("title")
    own_title = (record["document"] or {}).get("title")
    if title is None and own_title and not _NO_TITLE.fullmatch(own_title):
        title = own_title
    is_arxiv = paper.kind == "arxiv"
    return Entry(
        f"arXiv:{paper.canonical}" if is_arxiv else paper.file_stem,
        title=from_tex(title) if metadata and title else title,
        authors=names_in(metadata.get("authors") or ""),
        year=_year(record),
        doi=metadata.get("doi"),
        arxiv_id=paper.canonical if is_arxiv else record["arxiv_id"],
        primary_class=categories[0] if categories else stamp.get("category"),
        url=paper.canonical if paper.kind == "url" else None,
        is_tex=bool(metadata),
    )


def _year(record: Mapping[str, Any]) -> int | None:
    """Of the first submission to arXiv, else of the PDF."""
    if record["arxiv_id"] is not None:
        return submission_year(record["arxiv_id"])
    found = _YEAR.match((record["document"] or {}).get("created_at") or "")
    return int(found[0]) if found else None
