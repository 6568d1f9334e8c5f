"""What models said of one paper, for a person: its analysis, its report, and the answers so far.

Guarantee: shows what is in the row and the files now. Limit: a summary; the report itself is in the file that is named.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import shorten
from typing import Any

from rpa_shard.model.phase import ANALYZE, WRAP, Status
from rpa_shard.phases.files import PaperFiles
from rpa_shard.phases.finished import results_of
from rpa_shard.phases.writing.answers import KeptAnswer, KeptAnswers
from rpa_shard.store.rows import PaperRow

WIDTH = 100


def analysis_lines(row: PaperRow, files: PaperFiles) -> Iterator[str]:
    """A few lines about the analysis and the report, if there are any."""
    results = results_of(row)
    analysis, report = results.get(ANALYZE), results.get(WRAP)
    if analysis is not None:
        yield f"analysis  {analysis['sections']} sections by {_listed(analysis['models'])}, {_spent(analysis)}"
        yield from _left_out(_json(files.analysis))
    if report is not None:
        record = _json(files.report_record)
        yield f"report    {_spent(report)}: {files.report}"
        if record.get("core_contribution"):
            yield f"          {shorten(record['core_contribution'], WIDTH, placeholder=' …')}"
        yield f"tags      {_listed(record.get('tags', ()))}"


def answer_lines(row: PaperRow, files: PaperFiles) -> Iterator[str]:
    """What was answered so far about a paper that has no report yet, and what became of the answers."""
    if row.status is Status.DONE or not files.answers.exists():
        return
    try:
        kept = KeptAnswers(files.answers).all()
    except OSError as error:
        yield f"answers   {files.answers}: {error.strerror}"
        return
    yield f"answers ({len(kept)})"
    columns = max((len(each.step) for each in kept), default=0)
    for each in sorted(kept, key=lambda each: each.kept_at):
        yield f"  {each.step:<{columns}}  {_answer(each)}"


def _answer(kept: KeptAnswer) -> str:
    answer = kept.answer
    why = f" ({answer.says})" if answer.says else ""
    tokens = f"{answer.usage.input_tokens:,} + {answer.usage.output_tokens:,} tokens"
    return f"{answer.finish}{why}, {len(answer.text.split())} words, {tokens}, {answer.model} at {answer.place}"


def _left_out(record: Mapping[str, Any]) -> Iterator[str]:
    document = record.get("document") or {}
    left_out = [f"“{each}”" for each in document.get("left_out", ())]
    if left_out:
        yield f"left out  {shorten(_listed(left_out), WIDTH, placeholder=' …')}: the paper is too long for the model"
    if document.get("shortened") is not None:
        yield f"shortened “{document['shortened']}”" if document["shortened"] else "shortened its text"


def _spent(result: Mapping[str, Any]) -> str:
    price = f", ${result['micro_usd'] / 1e6:.4f}" if result["micro_usd"] else ""
    tokens = f"{result['input_tokens']:,} + {result['output_tokens']:,} tokens"
    return f"{result['answers']} answers, {tokens}{price}"


def _listed(items: Sequence[str]) -> str:
    return ", ".join(items) or "none"


def _json(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
