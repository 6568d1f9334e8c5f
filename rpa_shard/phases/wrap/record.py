"""The report of a paper as JSON, beside the Markdown; `docs/analysis-record.md` describes every field.

Guarantee: has exactly the fields of the JSON Schema `report.schema.json`, which is shipped beside this file and carries
the same version; the same answers give the same record, so it may be written again. Limit: what the corpus says is as
the analysis has it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from rpa_shard import __version__
from rpa_shard.model.failure import Failure, PaperError
from rpa_shard.phases.writing.inquiry import Taken
from rpa_shard.phases.writing.loading import LoadedPaper
from rpa_shard.phases.writing.material.document import Document
from rpa_shard.phases.writing.material.questions import Section
from rpa_shard.phases.writing.paper_desk import document_facts, spent_on
from rpa_shard.phases.writing.prompts import Prompt
from rpa_shard.system.clock import as_utc

REPORT_SCHEMA = 1
_SCHEMA_FILE = Path(__file__).with_name("report.schema.json")
# The part of a section that says in a sentence what the paper contributes.
CORE = "core_contribution"


@cache
def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a report's record."""
    schema: dict[str, Any] = json.loads(_SCHEMA_FILE.read_text())
    return schema


@dataclass(slots=True, kw_only=True)
class Draft:
    """What the report will be made of: the sections in their order, with what is known of each."""

    analysis: Mapping[str, Any]
    sections: list[tuple[Section, Mapping[str, Any]]]
    tags: tuple[str, ...] = ()
    repaired: list[str] = field(default_factory=list)
    verdict: str = ""
    reasons: list[str] = field(default_factory=list)
    taken: list[Taken] = field(default_factory=list)

    @property
    def shown(self) -> tuple[Section, ...]:
        """The sections, as prompts show them."""
        return tuple(section for section, _ in self.sections)

    def replace(self, section: Section, facts: Mapping[str, Any]) -> None:
        """Puts a section in the place of the one with its name, or at the end."""
        names = [each.name for each, _ in self.sections]
        if section.name in names:
            self.sections[names.index(section.name)] = section, facts
        else:
            self.sections.append((section, facts))


def read_analysis(paper: LoadedPaper) -> Mapping[str, Any]:
    """The analysis of a paper. Raises PaperError(LLM_NO_TEXT) if it is missing, damaged or of another text."""
    try:
        analysis = json.loads(paper.files.analysis.read_bytes())
        of = analysis["id"], analysis["text_sha256"]
        sections = [(each["name"], each["title"], dict(each["content"])) for each in analysis["sections"]]
    except (OSError, ValueError, KeyError, TypeError):
        of, sections, analysis = ("", ""), [], {}
    if of != (paper.paper_id, paper.text_sha256) or not sections:
        why = "its analysis is missing, damaged or of another text: `verify --fix` has it made again, mostly for free"
        raise PaperError(Failure.LLM_NO_TEXT, why)
    made: Mapping[str, Any] = analysis
    return made


def draft_of(analysis: Mapping[str, Any], prompts: Sequence[Prompt]) -> Draft:
    """The beginning of a report: the sections of an analysis."""
    schemas = {prompt.name: prompt.schema for prompt in prompts}
    sections: list[tuple[Section, Mapping[str, Any]]] = []
    for each in analysis["sections"]:
        name = each["name"]
        section = Section(name=name, title=each["title"], content=each["content"], schema=schemas.get(name, {}))
        facts = {key: value for key, value in each.items() if key not in ("name", "title", "content")}
        sections.append((section, facts))
    return Draft(analysis=analysis, sections=sections)


def make_report(paper: LoadedPaper, document: Document, draft: Draft, prompts_sha256: str) -> dict[str, Any]:
    """The record of a report."""
    analysis = draft.analysis
    wrapped_by = {taken.kept.answer.model for taken in draft.taken}
    cores = [text for section in draft.shown if isinstance(text := section.content.get(CORE), str)]
    return {
        "schema": REPORT_SCHEMA,
        "id": paper.paper_id,
        "title": paper.text.title,
        "authors": paper.text.authors,
        "source": paper.source,
        "tags": list(draft.tags),
        "core_contribution": cores[0] if cores else None,
        "verdict": draft.verdict,
        "reasons": draft.reasons,
        "repaired": draft.repaired,
        "sections": [
            {"name": section.name, "title": section.title, "content": section.content, **facts}
            for section, facts in draft.sections
        ],
        "signals": analysis["signals"],
        "document": document_facts(document),
        "text_sha256": paper.text_sha256,
        "models": sorted({*analysis["models"], *wrapped_by}),
        "wrapped_by": sorted(wrapped_by),
        "analyze_prompts_sha256": analysis["prompts_sha256"],
        "wrap_prompts_sha256": prompts_sha256,
        "spent": spent_on(paper, ["analyze", "wrap"]),
        "spent_on_wrap": spent_on(paper, ["wrap"]),
        "analyzed_at": analysis["analyzed_at"],
        "reported_at": as_utc(max(taken.kept.kept_at for taken in draft.taken)),
        "rpa_shard_version": __version__,
    }
