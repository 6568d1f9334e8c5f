"""The report of a paper as Markdown, with a head in YAML.

Guarantee: pure; made of the record alone; whatever a model or a PDF says, the head is valid YAML and the headings are
ours. Limit: formulas stay as they were written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rpa_shard.phases.wrap.record import REPORT_SCHEMA
from rpa_shard.phases.writing.material.markdown import escaped, yaml_text
from rpa_shard.phases.writing.material.questions import Section

MICRO_USD = 1_000_000


def as_markdown(record: Mapping[str, Any], sections: Sequence[Section]) -> str:
    """The report; `sections` are those of the record, with the schemas that name their parts."""
    return "\n".join(_head(record)) + "\n\n" + "\n\n".join(_body(record, sections)) + "\n"


def _head(record: Mapping[str, Any]) -> Iterator[str]:
    spent = record["spent"]
    yield "---"
    yield f"ver: {REPORT_SCHEMA}"
    for name in ("id", "title", "authors", "source"):
        yield f"{name}: {_scalar(record[name])}"
    yield f"model: {_scalar(', '.join(record['models']))}"
    yield f"prompts: {_scalar(record['analyze_prompts_sha256'][:12] + ' ' + record['wrap_prompts_sha256'][:12])}"
    yield f"tags: [{', '.join(map(yaml_text, record['tags']))}]"
    yield f"core_contribution: {_scalar(record['core_contribution'])}"
    yield f"verdict: {_scalar(record['verdict'])}"
    yield f"repaired: [{', '.join(map(yaml_text, record['repaired']))}]"
    yield f"complete: {'true' if record['document']['complete'] else 'false'}"
    yield f"input_tokens: {spent['input_tokens']}"
    yield f"output_tokens: {spent['output_tokens']}"
    yield f"cost_usd: {spent['micro_usd'] / MICRO_USD:.6f}"
    yield f"reported_at: {_scalar(record['reported_at'])}"
    yield "---"


def _scalar(value: str | None) -> str:
    return "null" if value is None else yaml_text(" ".join(value.split()))


def _body(record: Mapping[str, Any], sections: Sequence[Section]) -> Iterator[str]:
    yield f"# {_line(record['title']) or record['id']}"
    if record["authors"]:
        yield _line(record["authors"])
    for section in sections:
        yield f"## {_line(section.title)}"
        yield section.markdown
    signals = record["signals"]
    if signals["corpus_papers"]:
        yield "## In this collection"
        yield f"Cited by {signals['cited_by']} of {signals['corpus_papers']} papers."
        for label, papers in (("Cites", signals["cites"]), ("Similar", signals["neighbours"])):
            if papers:
                yield "\n".join([f"**{label}.**", "", *(f"- {_line(each['title'])} ({each['id']})" for each in papers)])
    if not record["document"]["complete"]:
        yield "## What was not read"
        yield _not_read(record["document"])


def _not_read(document: Mapping[str, Any]) -> str:
    """Which parts of the paper were not shown to the model."""
    lines = [f"- {_line(title)}" for title in document["left_out"]]
    if document["shortened"] is not None:
        lines.append(f"- the end of {_line(document['shortened']) or 'the text'}")
    return "\n".join(["The paper did not fit into the model's context. Left out were:", "", *lines])


def _line(text: str) -> str:
    return escaped(" ".join(text.split()))
