"""What models wrote about a paper, as typed values: its analysis and its report.

Guarantee: frozen; made of the JSON records, whose fields `docs/analysis-record.md` describes; may be pickled. Limit:
what a section says has the schema of its prompt, and is a plain dict here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from rpa_shard.extract.result import from_plain


@dataclass(frozen=True, slots=True)
class WrittenSection:
    """A section: what a model answered to one prompt (`content`), and where the answer came from."""

    name: str
    title: str
    content: Mapping[str, Any]
    model: str
    place: str
    question: str
    prompt_sha256: str
    attempt: int
    answered_at: str
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    micro_usd: int


@dataclass(frozen=True, slots=True)
class Spent:
    """What answers took: how many there were, tokens, and millionths of a US dollar."""

    answers: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    micro_usd: int


@dataclass(frozen=True, slots=True)
class ShownDocument:
    """What of the paper the models were shown."""

    tokens: int
    complete: bool
    left_out: tuple[str, ...]
    shortened: str | None


@dataclass(frozen=True, slots=True)
class PaperOfCorpus:
    """Another paper of the collection."""

    id: str
    title: str


@dataclass(frozen=True, slots=True)
class CorpusSignals:
    """What the collection says of the paper."""

    corpus_papers: int
    cited_by: int
    cites: tuple[PaperOfCorpus, ...]
    neighbours: tuple[PaperOfCorpus, ...]
    complete: bool


@dataclass(frozen=True, kw_only=True)
class _OfPaper:
    """What analyses and reports have in common."""

    schema: int
    id: str
    title: str
    authors: str
    source: str | None
    text_sha256: str
    models: tuple[str, ...]
    document: ShownDocument
    signals: CorpusSignals
    sections: tuple[WrittenSection, ...]
    spent: Spent
    analyzed_at: str
    rpa_shard_version: str

    def section(self, name: str) -> WrittenSection:
        """The section with this name, such as `key_outcome`. Raises KeyError."""
        for each in self.sections:
            if each.name == name:
                return each
        raise KeyError(name)


@dataclass(frozen=True, repr=False, kw_only=True)
class Analysis(_OfPaper):
    """The analysis of a paper: what was written about it, section by section."""

    prompts_sha256: str

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Analysis:
        """The analysis with this content. Raises TypeError for other content."""
        return from_plain(cls, content)

    def __repr__(self) -> str:
        return f"<Analysis {self.id}: {', '.join(each.name for each in self.sections)}>"


@dataclass(frozen=True, repr=False, kw_only=True)
class Report(_OfPaper):
    """The report of a paper. `markdown` is the report as it is in its file."""

    tags: tuple[str, ...]
    core_contribution: str | None
    verdict: str
    reasons: tuple[str, ...]
    repaired: tuple[str, ...]
    wrapped_by: tuple[str, ...]
    analyze_prompts_sha256: str
    wrap_prompts_sha256: str
    spent_on_wrap: Spent
    reported_at: str
    markdown: str = field(default="", compare=False)

    @classmethod
    def of(cls, content: Mapping[str, Any], markdown: str) -> Report:
        """The report with this content. Raises TypeError for other content."""
        return replace(from_plain(cls, content), markdown=markdown)

    def __repr__(self) -> str:
        return f"<Report {self.id}: {', '.join(self.tags)}>"
