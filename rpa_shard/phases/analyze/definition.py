"""The definition of the analyze phase: what is known of it without a runner.

Guarantee: commands that only look at papers load nothing that only a run needs. Limit: how a runner is made is in
`rpa_shard.phases.analyze.runner`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rpa_shard.model.phase import ANALYZE
from rpa_shard.phases.analyze.result import expected_files
from rpa_shard.phases.runner import PhaseDefinition, PhaseRunner, ShardContext
from rpa_shard.phases.writing.defining import refuse, warm_up


@asynccontextmanager
async def open_analyze(context: ShardContext) -> AsyncIterator[PhaseRunner]:
    """The runner of one shard."""
    from rpa_shard.phases.analyze.runner import AnalyzeRunner
    from rpa_shard.phases.writing.desk import open_desk

    async with open_desk(context) as desk:
        yield AnalyzeRunner(desk)


ANALYZE_DEFINITION = PhaseDefinition(ANALYZE, open_analyze, warm_up, refuse, expected_files, asks_models=True)
