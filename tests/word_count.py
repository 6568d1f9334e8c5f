"""A second phase for the tests, which counts the words of each paper: `python -m tests.word_count [LIMIT]`.

It shows that a phase needs nothing but a runner and an entry in a registry; the store, the shards and the supervisor
are the real ones.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from rpa_shard.config.settings import Settings
from rpa_shard.control.launch import launch
from rpa_shard.ipc.shard_report import Gauge
from rpa_shard.model.arxiv_id import parse
from rpa_shard.model.failure import Failure, PaperError
from rpa_shard.model.paper import Claim
from rpa_shard.model.phase import ANALYZE
from rpa_shard.phases.finished import files_of
from rpa_shard.phases.registry import BUILT_IN_PHASES, PhaseRegistry
from rpa_shard.phases.runner import Attempt, PhaseDefinition, PhaseRunner, Result, ShardContext
from rpa_shard.system.failpoints import reach
from rpa_shard.system.logs import Console

# Papers, by id, whose words cannot be counted, separated by spaces.
REFUSED = "WORD_COUNT_REFUSES"
COUNT = "count"


@dataclass
class WordCountRunner:
    """Counts words, a few papers at a time."""

    papers: Path
    words: int = 0

    @property
    def slots(self) -> Mapping[str, int]:
        return {COUNT: 4}

    async def run(self, claim: Claim, attempt: Attempt) -> Result:
        if claim.paper_id in os.environ.get(REFUSED, "").split():
            raise PaperError(Failure.GONE, "its words are beyond counting")
        async with attempt.slot(COUNT):
            attempt.must_finish()
            text = await asyncio.to_thread(files_of(self.papers, parse(claim.paper_id)).text.read_text, "utf-8")
            reach("mid_count")
            words = len(text.split())
            self.words += words
            return {"words": words}

    def summary(self, result: Result) -> str:
        return f"words={result['words']}"

    def gauges(self) -> Mapping[str, Gauge]:
        return {}

    def totals(self) -> Mapping[str, int]:
        return {"words": self.words}

    def tallies(self) -> Mapping[str, Mapping[str, int]]:
        return {}


@asynccontextmanager
async def open_word_count(context: ShardContext) -> AsyncIterator[PhaseRunner]:
    yield WordCountRunner(context.folder.papers)


REGISTRY = PhaseRegistry((*BUILT_IN_PHASES.definitions, PhaseDefinition(ANALYZE, open_word_count)))


def main() -> int:
    settings = Settings.from_environment()
    end = launch(
        settings,
        daemon=False,
        limit=int(sys.argv[1]) if sys.argv[1:] else None,
        say=lambda line: print(line, file=sys.stderr),
        registry=REGISTRY,
        console=Console(settings.log_level),
    )
    if end is None:
        return 0
    return 3 if end.cause else 128 + end.signal if end.signal else 0


if __name__ == "__main__":
    raise SystemExit(main())
