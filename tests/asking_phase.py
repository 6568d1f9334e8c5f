"""A second phase for the tests, which asks a model that is not there: `python -m tests.asking_phase`.

Permits, shards and the supervisor are the real ones; only the request is left out. What would be sent is noted in a
file, a line a call. A file stands for the endpoint's mind: while it exists, the endpoint refuses us.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from rpa_shard.config.errors import SettingsError
from rpa_shard.config.settings import Settings
from rpa_shard.control.launch import launch
from rpa_shard.llm.call_permits import CallPermits
from rpa_shard.llm.errors import ModelClosedError, ModelRefusedError
from rpa_shard.llm.question import Usage
from rpa_shard.model.failure import PhasePausedError
from rpa_shard.model.paper import Claim
from rpa_shard.model.phase import ANALYZE
from rpa_shard.phases.registry import BUILT_IN_PHASES, PhaseRegistry
from rpa_shard.phases.runner import Attempt, PhaseDefinition, PhaseRunner, Result, ShardContext
from rpa_shard.system.logs import Console
from tests.bare_runner import BareRunner

REFUSES, SENT = "ASKING_REFUSES", "ASKING_SENT"
INPUT_TOKENS, OUTPUT_TOKENS = 15, 5
SECONDS = float(os.environ.get("ASKING_SECONDS", "0.05"))


@dataclass
class AskingRunner(BareRunner):
    """Asks one question a paper."""

    model: str
    calls: CallPermits

    async def run(self, claim: Claim, attempt: Attempt) -> Result:
        try:
            async with self.calls.permit(self.model, INPUT_TOKENS, 2 * OUTPUT_TOKENS) as permit:
                if Path(os.environ[REFUSES]).exists():
                    raise ModelRefusedError("HTTP 402: no credit")
                attempt.must_finish()
                with Path(os.environ[SENT]).open("a") as file:
                    file.write(f"{time.monotonic()} {claim.paper_id}\n")
                await asyncio.sleep(SECONDS)
                permit.begun()
                permit.took(Usage(INPUT_TOKENS, OUTPUT_TOKENS))
        except (ModelRefusedError, ModelClosedError):
            raise PhasePausedError(self.calls.standing.why) from None
        return {}

    def summary(self, result: Result) -> str:
        return "answered"


@asynccontextmanager
async def open_asking(context: ShardContext) -> AsyncIterator[PhaseRunner]:
    yield AskingRunner(context.settings.llm_endpoints[0].name, context.calls)


PREP_ONLY = tuple(each for each in BUILT_IN_PHASES.definitions if not each.asks_models)
REGISTRY = PhaseRegistry((*PREP_ONLY, PhaseDefinition(ANALYZE, open_asking, asks_models=True)))


def main() -> int:
    settings = Settings.from_environment()
    try:
        end = launch(
            settings,
            daemon=False,
            say=lambda line: print(line, file=sys.stderr),
            registry=REGISTRY,
            console=Console(settings.log_level),
        )
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    if end is not None and end.refused is not None:
        print(f"refused: {end.refused}")
        return 1
    return 128 + end.signal if end is not None and end.signal else 0


if __name__ == "__main__":
    raise SystemExit(main())
