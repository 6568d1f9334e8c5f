"""A desk for the phases that ask models, without endpoints: an asker that answers from a script."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rpa_shard.config.llm import ModelAt
from rpa_shard.llm.question import Answer, Question, Usage
from rpa_shard.model.arxiv_id import from_canonical
from rpa_shard.model.paper import Claim
from rpa_shard.model.phase import ANALYZE, WRAP, Phase
from rpa_shard.phases.analyze.runner import AnalyzeRunner
from rpa_shard.phases.files import PaperFiles, files_of
from rpa_shard.phases.prep.artifacts import write_artifacts
from rpa_shard.phases.runner import Attempt, Slots
from rpa_shard.phases.signals.signals import Neighbour, Signals
from rpa_shard.phases.wrap.runner import WrapRunner
from rpa_shard.phases.writing.desk import PAPERS, Desk
from rpa_shard.phases.writing.prompts import PromptSet, load_prompts
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import engine_of
from rpa_shard.system.activity import ASKING, Activity, begin
from rpa_shard.testing.llm_mirror.answers.writer import Matter, filled, sentences_of

PAPER = "2401.00001"
MODEL = ModelAt("http://127.0.0.1:9/v1", "small")
TAGS = ("tides", "sea level", "tide gauges")
# What is answered, or raised, besides what a schema asks for.
Reply = Answer | str | Exception
Script = Callable[[Question], Reply | None]


def good_answer(question: Question, verdict: str = "PASS") -> dict[str, Any]:
    """An answer that passes all checks."""
    matter = Matter(sentences=sentences_of(question.document), instruction=question.instruction, verdict=verdict)
    content: dict[str, Any] = filled(question.schema, matter)
    if "tags" in content:
        content["tags"] = ["Tides", "sea-level"]
    return content


@dataclass
class ScriptedAsker:
    """Answers as a script says; where that says nothing, what the schema asks for."""

    script: Script = lambda question: None
    models: Sequence[ModelAt] = (MODEL,)
    context_tokens: int = 32_768
    asked: list[Question] = field(default_factory=list)
    # If set, calls that are under way wait for it.
    gate: asyncio.Event | None = None
    # How many calls may be under way; the others wait for their turn.
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(100))

    async def ask(self, question: Question) -> Answer:
        async with self.turns:
            stage = begin(ASKING)
            self.asked.append(question)
            try:
                if self.gate is not None:
                    await self.gate.wait()
                await asyncio.sleep(0)
            finally:
                begin(stage)
        reply = self.script(question)
        if isinstance(reply, Exception):
            raise reply
        if isinstance(reply, Answer):
            return reply
        return answer_of(json.dumps(good_answer(question)) if reply is None else reply)

    @property
    def steps(self) -> Counter[str]:
        """How often each step was asked."""
        return Counter(question.step for question in self.asked)


def answer_of(text: str, **others: Any) -> Answer:
    """An answer with a text."""
    made = Answer(
        model=MODEL.model,
        place=MODEL.place,
        text=text,
        finish="complete",
        usage=Usage(1000, 100),
        request_id="r",
        asked_at=time.time(),
        answered_at=time.time(),
        micro_usd=150,
    )
    return replace(made, **others)


@dataclass
class FixedSignals:
    """Says the same of every paper."""

    signals: Signals = Signals(corpus_papers=12, neighbours=(Neighbour("2401.00002", "On Tides"),), cited_by=3)
    listed: tuple[str, ...] = TAGS

    async def read(self, paper_id: str, title: str, abstract: str) -> Signals:
        return self.signals

    async def tags(self) -> tuple[str, ...]:
        return self.listed


@dataclass
class Office:
    """A data folder with one prepped paper, and the phases that ask models."""

    folder: DataFolder
    desk: Desk
    asker: ScriptedAsker

    @property
    def files(self) -> PaperFiles:
        return files_of(self.folder.papers, from_canonical(PAPER))

    async def run(self, phase: Phase, attempt: Attempt | None = None) -> Mapping[str, Any]:
        """One attempt at the paper, as a worker makes it."""
        Activity()
        slots = Slots({PAPERS: 10})
        runner = AnalyzeRunner(self.desk) if phase.name == "analyze" else WrapRunner(self.desk)
        return await runner.run(Claim(PAPER, phase, "lease", 1), attempt or Attempt(slots))


def prepped_paper(folder: DataFolder, paper_id: str = PAPER) -> None:
    """Makes the files of a prepped paper."""
    from rpa_shard.api.reading import read
    from rpa_shard.testing.sample_papers import Kind, sample_pdf

    record = read(sample_pdf(Kind.TWO_COLUMNS, paper_id))
    content = {**record.as_dict(), "id": paper_id, "source": f"https://arxiv.org/pdf/{paper_id}"}
    files = files_of(folder.papers, from_canonical(paper_id))
    write_artifacts(files, "test", record.text.encode(), content)


@contextmanager
def office(
    root: Path,
    script: Script = lambda question: None,
    prompts: PromptSet | None = None,
    drain_seconds: float = 10.0,
    asker: ScriptedAsker | None = None,
) -> Iterator[Office]:
    """A data folder with one prepped paper, whose questions are answered by a script."""
    folder = DataFolder(root)
    if not files_of(folder.papers, from_canonical(PAPER)).record.exists():
        prepped_paper(folder)
    asker = asker or ScriptedAsker(script)
    with ThreadPoolExecutor(4) as disk:
        desk = Desk(
            papers=folder.papers,
            writer="test",
            prompts=prompts or load_prompts(None),
            asker=asker,
            disk=disk,
            cpu=disk,
            signals=FixedSignals(),
            catalogue=engine_of(folder).catalogue_reader(),
            drain_seconds=drain_seconds,
        )
        yield Office(folder, desk, asker)


def main(root: str) -> None:
    """Analyzes and wraps a prepped paper, in a process of its own."""
    with office(Path(root)) as one:
        for phase in (ANALYZE, WRAP):
            asyncio.run(one.run(phase))
