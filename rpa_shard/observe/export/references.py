"""The citation graph: one row per reference of every paper.

Guarantee: rows in the order of the papers and of their lists; `citing_id` and `arxiv_id` are ids without version, so
that they join; `arxiv_id` and `doi` are the first that an entry names, `arxiv_ids` and `dois` all of them. Limit:
whether an id exists, and whether the entry is about it, is not looked up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

COPIED = ("raw", "year", "title", "authors", "arxiv_ids", "dois", "urls", "key")


def reference_rows(records: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The rows of the records' references."""
    for record in records:
        for each in record["references"]:
            yield {
                "citing_id": record["arxiv_id"] or record["id"],
                "citing_version": record["arxiv_version"],
                "paper_id": record["id"],
                "ordinal": each["ordinal"],
                "marker": each["marker"],
                "page": each["page"],
                "start": each["start"],
                "end": each["end"],
                "arxiv_id": each["arxiv_ids"][0] if each["arxiv_ids"] else None,
                "doi": each["dois"][0] if each["dois"] else None,
                **{name: each[name] for name in COPIED},
            }
