"""The definition of the wrap phase: what is known of it without a runner.

Guarantee: commands that only look at papers load nothing that only a run needs. Limit: how a runner is made is in
`rpa_shard.phases.wrap.runner`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rpa_shard.model.phase import WRAP
from rpa_shard.phases.runner import PhaseDefinition, PhaseRunner, ShardContext
from rpa_shard.phases.wrap.result import expected_files
from rpa_shard.phases.writing.defining import refuse, warm_up


@asynccontextmanager
async def open_wrap(context: ShardContext) -> AsyncIterator[PhaseRunner]:
    """The runner of one shard."""
    from rpa_shard.phases.wrap.runner import WrapRunner
    from rpa_shard.phases.writing.desk import open_desk

    async with open_desk(context) as desk:
        yield WrapRunner(desk)


WRAP_DEFINITION = PhaseDefinition(WRAP, open_wrap, warm_up, refuse, expected_files, asks_models=True)
