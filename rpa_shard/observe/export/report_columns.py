"""The columns of reports in Parquet.

Guarantee: the same whatever prompts made the reports: what a section says is JSON, as each prompt has its own schema.
Limit: knows pyarrow only by what is given.
"""

from __future__ import annotations

from typing import Any

from rpa_shard.observe.export.records import Texts


def reports_schema(pyarrow: Any, texts: Texts) -> Any:
    """The schema of a file of reports."""
    text, number, flag = pyarrow.string(), pyarrow.int64(), pyarrow.bool_()
    struct, list_ = pyarrow.struct, pyarrow.list_
    moment = pyarrow.timestamp("ms", "UTC")
    tokens = [(name, number) for name in ("input_tokens", "output_tokens", "cached_tokens", "micro_usd")]
    section = [(name, text) for name in ("name", "title", "content", "model", "place", "question", "prompt_sha256")]
    papers = list_(struct([("id", text), ("title", text)]))
    spent = struct([("answers", number), *tokens])
    fields = {
        "id": text,
        "arxiv_id": text,
        "arxiv_version": number,
        "schema": number,
        "title": text,
        "authors": text,
        "source": text,
        "tags": list_(text),
        "core_contribution": text,
        "verdict": text,
        "reasons": list_(text),
        "repaired": list_(text),
        "sections": list_(struct([*section, ("attempt", number), ("answered_at", text), *tokens])),
        "signals": struct(
            [
                ("corpus_papers", number),
                ("cited_by", number),
                ("cites", papers),
                ("neighbours", papers),
                ("complete", flag),
            ]
        ),
        "document": struct([("tokens", number), ("complete", flag), ("left_out", list_(text)), ("shortened", text)]),
        "text_sha256": text,
        "models": list_(text),
        "wrapped_by": list_(text),
        "analyze_prompts_sha256": text,
        "wrap_prompts_sha256": text,
        "spent": spent,
        "spent_on_wrap": spent,
        "analyzed_at": moment,
        "reported_at": moment,
        "rpa_shard_version": text,
    }
    return pyarrow.schema({**fields, "report": text} if texts.raw else fields)
