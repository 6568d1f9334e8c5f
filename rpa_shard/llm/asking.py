"""Getting a question answered.

Guarantee: a question is sent once at a time; the first model of the list that may be asked is asked, and another one
only if that one fails in a way that is the endpoint's doing. Limit: the answer is not kept here: whoever asked keeps it
before anything depends on it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from rpa_shard.config.llm import ModelAt
from rpa_shard.config.settings import Settings
from rpa_shard.llm.call_permits import CallPermits
from rpa_shard.llm.question import Answer, Question


class Asker:
    """Asks the models of a run, in one shard. Made by `open_asker`."""

    @property
    def models(self) -> Sequence[ModelAt]:
        """The models, in the order in which they are tried."""
        raise NotImplementedError

    @property
    def context_tokens(self) -> int:
        """How many tokens question and answer may have together, whichever of the models is asked."""
        raise NotImplementedError

    async def ask(self, question: Question) -> Answer:
        """The answer, of use or not: cut and refused ones are answers, too.

        Raises PaperError (LLM_UNREACHABLE, LLM_FAILED, LLM_REJECTED, LLM_OVERLONG) and PhasePausedError.
        """
        raise NotImplementedError


@asynccontextmanager
async def open_asker(settings: Settings, calls: CallPermits, name: str) -> AsyncIterator[Asker]:
    """What asks models in one shard; `name` is a word for the shard's process in the ids of requests."""
    raise NotImplementedError
    yield


def estimated_tokens(text: str) -> int:
    """About how many tokens a text has, rather too many than too few."""
    raise NotImplementedError
