"""The analysis of a paper as JSON, beside its text; `docs/analysis-record.md` describes every field.

Guarantee: has exactly the fields of the JSON Schema `analysis.schema.json`, which is shipped beside this file and
carries the same version; the same answers give the same record, so it may be written again. Limit: what the corpus says
may have changed until then.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from rpa_shard import __version__
from rpa_shard.phases.signals.signals import Signals
from rpa_shard.phases.writing.inquiry import Taken
from rpa_shard.phases.writing.loading import LoadedPaper
from rpa_shard.phases.writing.material.document import Document
from rpa_shard.phases.writing.paper_desk import document_facts, facts_of, signals_facts, spent_on
from rpa_shard.phases.writing.prompts import Prompt
from rpa_shard.system.clock import as_utc

ANALYSIS_SCHEMA = 1
_SCHEMA_FILE = Path(__file__).with_name("analysis.schema.json")


@cache
def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of an analysis."""
    schema: dict[str, Any] = json.loads(_SCHEMA_FILE.read_text())
    return schema


def make_analysis(
    paper: LoadedPaper,
    document: Document,
    signals: Signals,
    sections: Sequence[tuple[Prompt, Taken]],
    prompts_sha256: str,
) -> dict[str, Any]:
    """The record of an analyzed paper."""
    return {
        "schema": ANALYSIS_SCHEMA,
        "id": paper.paper_id,
        "title": paper.text.title,
        "authors": paper.text.authors,
        "source": paper.source,
        "text_sha256": paper.text_sha256,
        "prompts_sha256": prompts_sha256,
        "models": sorted({taken.kept.answer.model for _, taken in sections}),
        "document": document_facts(document),
        "signals": signals_facts(signals),
        "sections": [section_of(prompt, taken) for prompt, taken in sections],
        "spent": spent_on(paper, ["analyze"]),
        "analyzed_at": as_utc(max(taken.kept.kept_at for _, taken in sections)),
        "rpa_shard_version": __version__,
    }


def section_of(prompt: Prompt, taken: Taken) -> dict[str, Any]:
    """One section, with the answer that it is."""
    return {"name": prompt.name, "title": prompt.title, "content": taken.content, **facts_of(taken.kept)}


def as_bytes(record: Mapping[str, Any]) -> bytes:
    """The record as it is in its file."""
    return msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n"
