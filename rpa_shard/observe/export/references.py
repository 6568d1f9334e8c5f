"""The citation graph: one row per reference of every paper.

Guarantee: rows in the order of the papers and of their lists; `arxiv_id` and `doi` are the first that an entry names,
`arxiv_ids` and `dois` all of them. Limit: whether an id exists, and whether the entry is about it, is not looked up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any


def reference_rows(records: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The rows of the records' references."""
    for record in records:
        for each in record["references"]:
            yield {
                "citing_id": record["id"],
                "ordinal": each["ordinal"],
                "arxiv_id": each["arxiv_ids"][0] if each["arxiv_ids"] else None,
                "doi": each["dois"][0] if each["dois"] else None,
                "raw": each["raw"],
                "year": each["year"],
                "title": each["title"],
                "authors": each["authors"],
                "arxiv_ids": each["arxiv_ids"],
                "dois": each["dois"],
                "urls": each["urls"],
                "key": each["key"],
            }
