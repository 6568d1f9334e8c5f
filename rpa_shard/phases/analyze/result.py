"""What a paper's row keeps of its analysis: enough for `verify`, for counting, and to know whether prompts changed.

Guarantee: pure; it depends only on the record and its bytes. Limit: `attempts` is added by the worker, which knows it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rpa_shard.model.arxiv_id import PaperId
from rpa_shard.phases.files import ENDINGS, stem_of
from rpa_shard.phases.runner import ExpectedFile
from rpa_shard.system.files import fingerprint_of


def row_result(record: Mapping[str, Any], content: bytes) -> dict[str, Any]:
    """The row's result for a paper with this analysis."""
    file = fingerprint_of(content)
    return {
        "sections": len(record["sections"]),
        "models": record["models"],
        "prompts_sha256": record["prompts_sha256"],
        "text_sha256": record["text_sha256"],
        "complete": record["document"]["complete"],
        **record["spent"],
        "analysis_sha256": file.sha256,
        "analysis_bytes": file.size_bytes,
    }


def expected_files(papers: str, paper: PaperId, result: Mapping[str, Any]) -> Iterator[ExpectedFile]:
    """The file that a result names; none if the phase was another program's, with results of its own."""
    if "analysis_sha256" in result:
        path = stem_of(papers, paper) + ENDINGS["analysis"]
        yield ExpectedFile(path, result["analysis_bytes"], result["analysis_sha256"])
