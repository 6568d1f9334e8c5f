"""One paper on the desk: questions made of prompts, asked, and what their answers say.

Guarantee: all questions about a paper begin with the same bytes, unless it had to be cut again; an answer that is
returned has passed all checks. Limit: which prompts are asked, and in which order, is for the phases to decide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from rpa_shard.llm.asking import estimated_tokens
from rpa_shard.llm.question import Answer
from rpa_shard.model.failure import Failure, PaperError
from rpa_shard.phases.runner import Attempt
from rpa_shard.phases.signals.signals import Signals
from rpa_shard.phases.writing.answers import KeptAnswer
from rpa_shard.phases.writing.checking.checks import Checker
from rpa_shard.phases.writing.desk import Desk
from rpa_shard.phases.writing.inquiry import Inquiry, Taken, Wanted
from rpa_shard.phases.writing.loading import LoadedPaper
from rpa_shard.phases.writing.material.document import Document, fitted
from rpa_shard.phases.writing.material.questions import (
    Matter,
    Section,
    question_of,
    room_for_document,
    sections_block,
)
from rpa_shard.phases.writing.prompts import Prompt
from rpa_shard.system.clock import as_utc
from rpa_shard.system.threads import run_to_its_end


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be asked: a prompt, remarks for this one question, what else is checked.

    With a `section_prompt` the answer is a section of that prompt. `check` raises PaperError for an answer that is of
    no use.
    """

    prompt: Prompt
    remarks: str = ""
    section_prompt: Prompt | None = None
    check: Callable[[dict[str, Any]], None] = lambda content: None


class PaperDesk:
    """One paper on the desk, during one attempt."""

    def __init__(self, desk: Desk, paper: LoadedPaper, attempt: Attempt) -> None:
        self.desk = desk
        self.paper = paper
        self.signals = Signals()
        self.tags: tuple[str, ...] = ()
        self.document: Document | None = None
        self._inquiry = Inquiry(desk.asker, desk.disk, desk.cpu, paper.answers, attempt, desk.drain_seconds)

    async def look_up(self, *, tags: bool = False) -> None:
        """Reads what the corpus says of the paper, and its tags."""
        text = self.paper.text
        self.signals = await self.desk.signals.read(self.paper.paper_id, text.title, text.abstract)
        if tags:
            self.tags = self.desk.prompts.tags or await self.desk.signals.tags()

    async def ask(self, asked: Sequence[Asked], sections: Sequence[Section] = ()) -> list[Taken]:
        """Has questions answered, all at a time. Raises PaperError, PhasePausedError.

        If the document turns out to be too long, it is cut again, once.
        """
        document, wanted = await run_to_its_end(self.desk.cpu, self._made, asked, sections)
        self.document = document
        try:
            return await self._inquiry.ask(wanted)
        except PaperError as error:
            if error.failure is not Failure.LLM_OVERLONG:
                raise
            shorter, wanted = await run_to_its_end(self.desk.cpu, self._made, asked, sections)
            if shorter.tokens >= document.tokens:
                raise
            self.document = shorter
        return await self._inquiry.ask(wanted)

    def _made(self, asked: Sequence[Asked], sections: Sequence[Section]) -> tuple[Document, list[Wanted]]:
        """The document as long as it may be now, and the questions about it."""
        document = self._fitted(sections)
        return document, [self._wanted(document, each, sections) for each in asked]

    def _fitted(self, sections: Sequence[Section]) -> Document:
        desk = self.desk
        written = sections_block(sections) if sections else ""
        room = room_for_document(desk.asker.context_tokens, desk.prompts, estimated_tokens, written)
        return fitted(self.paper.text, room, estimated_tokens)

    def _wanted(self, document: Document, asked: Asked, sections: Sequence[Section]) -> Wanted:
        matter = Matter(
            paper_id=self.paper.paper_id,
            text_sha256=self.paper.text_sha256,
            document=document.text,
            head=self.paper.head,
            signals=self.signals,
            sections=tuple(sections),
            tags=self.tags,
            remarks=asked.remarks,
        )
        section_prompt = asked.section_prompt
        schema = section_prompt.schema if section_prompt is not None else None
        checker = self.desk.checker(asked.prompt, section_prompt)
        question = question_of(self.desk.prompts.system, asked.prompt, matter, schema)
        return Wanted(question, partial(_checked, checker, asked.check))


def _checked(checker: Checker, check: Callable[[dict[str, Any]], None], answer: Answer) -> dict[str, Any]:
    content = checker.check(answer)
    check(content)
    return content


def spent_on(paper: LoadedPaper, steps: Iterable[str]) -> dict[str, int]:
    """What all answers about a paper took that begin with one of these steps, those of no use too."""
    prefixes = tuple(f"{step}/" for step in steps)
    answers = [kept.answer for kept in paper.answers.all() if kept.step.startswith(prefixes)]
    return {
        "answers": len(answers),
        "input_tokens": sum(each.usage.input_tokens for each in answers),
        "output_tokens": sum(each.usage.output_tokens for each in answers),
        "cached_tokens": sum(each.usage.cached_tokens for each in answers),
        "micro_usd": sum(each.micro_usd for each in answers),
    }


def facts_of(kept: KeptAnswer) -> dict[str, Any]:
    """Where an answer came from, for a record."""
    answer = kept.answer
    return {
        "model": answer.model,
        "place": answer.place,
        "question": kept.key,
        "prompt_sha256": kept.prompt_sha256,
        "attempt": kept.attempt,
        "answered_at": as_utc(answer.answered_at),
        "input_tokens": answer.usage.input_tokens,
        "output_tokens": answer.usage.output_tokens,
        "cached_tokens": answer.usage.cached_tokens,
        "micro_usd": answer.micro_usd,
    }


def document_facts(document: Document) -> dict[str, Any]:
    """How much of the paper a model was shown, for a record."""
    return {
        "tokens": document.tokens,
        "complete": document.is_complete,
        "left_out": list(document.left_out),
        "shortened": document.shortened,
    }


def signals_facts(signals: Signals) -> dict[str, Any]:
    """What the corpus said of the paper, for a record."""
    return {
        "corpus_papers": signals.corpus_papers,
        "cited_by": signals.cited_by,
        "cites": [{"id": each.paper_id, "title": each.title} for each in signals.cites],
        "neighbours": [{"id": each.paper_id, "title": each.title} for each in signals.neighbours],
        "complete": signals.complete,
    }
