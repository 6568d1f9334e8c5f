"""What a shard has for the phases that ask models.

Guarantee: opened once in a shard, whichever of the phases run there; what it counts is of all of them together. Limit:
`rpa_shard.phases.analyze` and `.wrap` decide what is asked, and in which order.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from rpa_shard.config.llm import MICRO_USD
from rpa_shard.ipc.shard_report import Gauge
from rpa_shard.llm.asking import open_asker
from rpa_shard.llm.call_permits import CallPermits
from rpa_shard.phases.runner import Result, ShardContext
from rpa_shard.phases.signals.opening import open_signals
from rpa_shard.phases.signals.signals import Signals
from rpa_shard.phases.writing.checking.checks import Checker
from rpa_shard.phases.writing.counted import CountedAsker
from rpa_shard.phases.writing.inquiry import Asks, Taken
from rpa_shard.phases.writing.loading import LoadedPaper, load_paper
from rpa_shard.phases.writing.material.document import BEGIN
from rpa_shard.phases.writing.prompts import Prompt, PromptSet, load_prompts
from rpa_shard.store.catalogue import CatalogueReader
from rpa_shard.system.threads import background_threads, run_to_its_end

# The slot that a paper holds while it is analyzed or wrapped.
PAPERS = "papers asked about"
CPU_THREADS = 2


class SaysOfCorpus(Protocol):
    """What the corpus says of papers: `rpa_shard.phases.signals.opening.CorpusSignals`, or what stands for it."""

    async def read(self, paper_id: str, title: str, abstract: str) -> Signals: ...

    async def tags(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, kw_only=True)
class Desk:
    """What the phases that ask models share in one shard.

    The threads of `disk` wait for disks. Those of `cpu` compute, and are few: they would only keep each other and the
    loop waiting.
    """

    papers: Path
    writer: str
    prompts: PromptSet
    asker: Asks
    disk: Executor
    cpu: Executor
    signals: SaysOfCorpus
    catalogue: CatalogueReader
    drain_seconds: float
    slots: Mapping[str, int] = field(default_factory=lambda: {PAPERS: 1})
    totals: Counter[str] = field(default_factory=Counter)
    tallies: Mapping[str, Counter[str]] = field(default_factory=lambda: {"model": Counter(), "verdict": Counter()})
    _checkers: dict[str, Checker] = field(default_factory=dict)

    async def load(self, paper_id: str) -> LoadedPaper:
        """What there is of a paper. Raises PaperError(LLM_NO_TEXT)."""
        return await run_to_its_end(self.cpu, load_paper, self.papers, paper_id, self.catalogue)

    def checker(self, prompt: Prompt, schema_of: Prompt | None = None) -> Checker:
        """What checks the answers to a prompt; with `schema_of` they are sections of that prompt."""
        of = schema_of or prompt
        name = f"{prompt.sha256} {of.sha256} {of.min_words}"
        if name not in self._checkers:
            told = (self.prompts.system, prompt.instruction, of.instruction, BEGIN)
            self._checkers[name] = Checker(of.schema, of.min_words, told)
        return self._checkers[name]

    def count(self, taken: Iterable[Taken]) -> None:
        """Counts the answers that became parts of a record, by model; and those that had been kept before."""
        for each in taken:
            self.totals.update(["kept_answers"] if each.was_kept else [])
            self.tallies["model"][each.kept.answer.model] += 1


class AtDesk:
    """What the runners of all phases at a desk show of it."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @property
    def slots(self) -> Mapping[str, int]:
        return self._desk.slots

    def gauges(self) -> Mapping[str, Gauge]:
        return {}

    def totals(self) -> Mapping[str, int]:
        return dict(self._desk.totals)

    def tallies(self) -> Mapping[str, Mapping[str, int]]:
        return {name: dict(counts) for name, counts in self._desk.tallies.items()}


def spent_in_words(result: Result) -> str:
    """What the answers took of which a result was made, for the log."""
    return f"tokens={result['input_tokens']}+{result['output_tokens']} usd={result['micro_usd'] / MICRO_USD:.4f}"


_open: dict[CallPermits, Desk] = {}


@asynccontextmanager
async def open_desk(context: ShardContext) -> AsyncIterator[Desk]:
    """The desk of one shard: the first phase opens it, and it is closed after the last one."""
    if context.calls in _open:
        yield _open[context.calls]
        return
    settings, share = context.settings, context.share
    writer = f"shard-{context.number:03d}"
    async with AsyncExitStack() as opened:
        # Of the usual priority: an answer is paid for, and is lost with its process until it is on disk.
        disk = opened.enter_context(ThreadPoolExecutor(share.io_threads, thread_name_prefix="answers"))
        cpu = opened.enter_context(background_threads("reading", CPU_THREADS))
        await run_to_its_end(disk, context.folder.remove_half_written, writer)
        catalogue = opened.enter_context(closing(context.engine.catalogue_reader()))
        signals = await opened.enter_async_context(open_signals(context))
        name = f"{context.number}-{os.getpid()}"
        asker = await opened.enter_async_context(open_asker(settings, context.calls, context.leases, name))
        totals: Counter[str] = Counter()
        desk = Desk(
            papers=context.folder.papers,
            writer=writer,
            prompts=load_prompts(settings.prompts),
            asker=CountedAsker(asker, totals),
            disk=disk,
            cpu=cpu,
            signals=signals,
            catalogue=catalogue,
            drain_seconds=settings.drain_seconds,
            slots={PAPERS: max(1, share.llm_papers)},
            totals=totals,
        )
        _open[context.calls] = desk
        opened.callback(_open.pop, context.calls)
        yield desk
