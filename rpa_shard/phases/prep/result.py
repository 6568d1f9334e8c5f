"""What a paper's row keeps of the record: enough for `verify` and for counting, without the references.

Guarantee: pure; it depends only on the record and its bytes. Limit: `attempts` is added by the worker, which knows it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rpa_shard.model.arxiv_id import PaperId
from rpa_shard.phases.files import ENDINGS, stem_of
from rpa_shard.phases.runner import ExpectedFile
from rpa_shard.system.files import fingerprint_of


def row_result(record: Mapping[str, Any], record_content: bytes, *, pdf_kept: bool) -> dict[str, Any]:
    """The row's result for a paper with this record."""
    recorded = fingerprint_of(record_content)
    return {
        "pages": record["pages"],
        "characters": record["characters"],
        "references": len(record["references"]),
        "flags": record["flags"],
        "text_sha256": record["text_sha256"],
        "text_bytes": record["text_bytes"],
        "record_sha256": recorded.sha256,
        "record_bytes": recorded.size_bytes,
        "pdf_sha256": record["pdf_sha256"],
        "pdf_bytes": record["pdf_bytes"],
        "pdf_kept": pdf_kept,
    }


def expected_files(papers: str, paper: PaperId, result: Mapping[str, Any]) -> Iterator[ExpectedFile]:
    """The files that a result names."""
    stem = stem_of(papers, paper)
    for name in ("text", "record", "pdf") if result["pdf_kept"] else ("text", "record"):
        yield ExpectedFile(stem + ENDINGS[name], result[f"{name}_bytes"], result[f"{name}_sha256"])
