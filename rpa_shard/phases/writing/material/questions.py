"""Questions made of prompts: what goes where in them, and how much room the paper has.

Guarantee: pure; the system prompt and the document are the same bytes for all questions about a paper, so that a server
that keeps prefixes reads them once, and the instruction comes last. Limit: tokens are estimated.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from rpa_shard.llm.question import Question
from rpa_shard.phases.signals.signals import Neighbour, Signals
from rpa_shard.phases.writing.material.document import CountTokens
from rpa_shard.phases.writing.material.markdown import as_markdown
from rpa_shard.phases.writing.prompts import Prompt, PromptSet

# What is kept free for what the corpus says of a paper, and for a list of tags made of the corpus.
SIGNALS_TOKENS, TAGS_TOKENS, MARGIN_TOKENS = 700, 2000, 100
# The sections that a prompt shows may take this part of a context before the paper has to be cut for them.
SECTIONS_SHARE = 1 / 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A section that was written: the name of its prompt, its title, what it says, and the schema of that."""

    name: str
    title: str
    content: Mapping[str, Any]
    schema: Mapping[str, Any]

    @property
    def markdown(self) -> str:
        """What it says, as Markdown, without its title."""
        return as_markdown(self.content, self.schema)


@dataclass(frozen=True, slots=True, kw_only=True)
class Matter:
    """What a question is about. `head` is the paper's title and the like, for prompts that do not read the document."""

    paper_id: str
    text_sha256: str
    document: str
    head: str
    signals: Signals = Signals()
    sections: tuple[Section, ...] = ()
    tags: tuple[str, ...] = ()
    remarks: str = ""


def question_of(system: str, prompt: Prompt, matter: Matter, schema: Mapping[str, Any] | None = None) -> Question:
    """The question that a prompt asks. With a `schema` the answer has that one instead of the prompt's.

    Its input is the paper's text, the sections if it is shown any, and the remarks.
    """
    shown = matter.sections if "sections" in prompt.reads else ()
    parts: list[Any] = [matter.text_sha256]
    if shown or matter.remarks:
        parts += [[each.name, list(each.content.items())] for each in shown] + [matter.remarks]
    if schema is not None:
        parts.append(list(schema.items()))
    return Question(
        paper_id=matter.paper_id,
        step=prompt.step,
        prompt_sha256=prompt.sha256,
        input_sha256=sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest(),
        system=system,
        document=matter.document if "document" in prompt.reads else matter.head,
        instruction="\n\n".join([*_blocks(prompt, matter), prompt.instruction]),
        schema=prompt.schema if schema is None else schema,
        parameters=prompt.parameters,
    )


def _blocks(prompt: Prompt, matter: Matter) -> Iterator[str]:
    if "signals" in prompt.reads and matter.signals.corpus_papers:
        yield signals_block(matter.signals)
    if "sections" in prompt.reads and matter.sections:
        yield sections_block(matter.sections)
    if "tags" in prompt.reads and matter.tags:
        yield "\n".join(["The list of tags:", "", *(f"- {tag}" for tag in matter.tags)])
    if matter.remarks:
        yield matter.remarks


def sections_block(sections: Sequence[Section]) -> str:
    """What was written about the paper, each section with its name in brackets."""
    written = [f"[{each.name}] {each.title}\n\n{each.markdown}" for each in sections]
    return "\n\n".join(["What was written about the paper:", *written, "[end of what was written]"])


def signals_block(signals: Signals) -> str:
    """What the corpus says of the paper."""
    lines = [f"The paper is one of a collection, of which {signals.corpus_papers} papers are known."]
    lines.append(f"Papers of the collection that cite it: {signals.cited_by}.")
    for heading, papers in (("It cites of them:", signals.cites), ("Similar papers:", signals.neighbours)):
        if papers:
            lines += [heading, *map(_line, papers)]
    return "\n".join(lines)


def _line(paper: Neighbour) -> str:
    return f"- {' '.join(paper.title.split())} ({paper.paper_id})"


def room_for_document(context_tokens: int, prompts: PromptSet, tokens_of: CountTokens, sections: str = "") -> int:
    """How many tokens the document may have, whichever of the prompts is asked; may be negative.

    It is less only if the block of the `sections` is longer than what is kept free for it.
    """
    free = int(context_tokens * SECTIONS_SHARE)
    written = max(free, tokens_of(sections) if sections else 0)
    tags = TAGS_TOKENS if prompts.tags is None else tokens_of("\n- ".join(prompts.tags))
    besides = {"signals": SIGNALS_TOKENS, "sections": written, "tags": tags}
    most = 0
    for prompt in (*prompts.analyze, prompts.limitations, prompts.tags_prompt, prompts.judge, prompts.repair):
        needs = (
            prompt.parameters.max_output_tokens + tokens_of(prompt.instruction) + tokens_of(json.dumps(prompt.schema))
        )
        most = max(most, needs + sum(tokens for name, tokens in besides.items() if name in prompt.reads))
    return context_tokens - tokens_of(prompts.system) - most - MARGIN_TOKENS
