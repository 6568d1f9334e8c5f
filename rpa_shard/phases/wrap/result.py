"""What a paper's row keeps of its report: enough for `verify`, for counting, and to know whether prompts changed.

Guarantee: pure; it depends only on the record, the report and their bytes. Limit: `attempts` is added by the worker,
which knows it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rpa_shard.model.arxiv_id import PaperId
from rpa_shard.phases.files import ENDINGS, stem_of
from rpa_shard.phases.runner import ExpectedFile
from rpa_shard.system.files import fingerprint_of


def row_result(record: Mapping[str, Any], content: bytes, report: bytes) -> dict[str, Any]:
    """The row's result for a paper with this report."""
    record_file, report_file = fingerprint_of(content), fingerprint_of(report)
    return {
        "verdict": record["verdict"],
        "repaired": len(record["repaired"]),
        "tags": record["tags"],
        "models": record["wrapped_by"],
        "prompts_sha256": record["wrap_prompts_sha256"],
        "text_sha256": record["text_sha256"],
        **record["spent_on_wrap"],
        "report_sha256": report_file.sha256,
        "report_bytes": report_file.size_bytes,
        "report_record_sha256": record_file.sha256,
        "report_record_bytes": record_file.size_bytes,
    }


def expected_files(papers: str, paper: PaperId, result: Mapping[str, Any]) -> Iterator[ExpectedFile]:
    """The files that a result names; none if the phase was another program's, with results of its own."""
    stem = stem_of(papers, paper)
    for name in ("report", "report_record") if "report_sha256" in result else ():
        yield ExpectedFile(stem + ENDINGS[name], result[f"{name}_bytes"], result[f"{name}_sha256"])
